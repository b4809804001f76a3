"""The locations that a graph reads from, at every place of a tensor in any bytes; and its initializers' values."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cg2ls.models.folder.external_data import (
    GraphTensor,
    MalformedGraphError,
    find_external_locations,
    find_tensors,
)


def tensor(location: str, name: str = "w") -> TensorProto:
    made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in (("offset", "0"), ("location", location), ("length", "4")):
        made.external_data.add(key=key, value=value)
    return made


def model(**parts) -> onnx.ModelProto:
    graph = onnx.GraphProto(name="g", **parts)
    return helper.make_model(graph)


def in_initializer(location):
    return model(initializer=[tensor(location)])


def in_sparse_initializer(location):
    sparse = onnx.SparseTensorProto(values=tensor("values"), indices=tensor(location), dims=[1])
    return model(sparse_initializer=[sparse])


def in_attribute(location):
    return model(node=[helper.make_node("Constant", [], ["c"], value=tensor(location))])


def in_attribute_list(location):
    return model(node=[helper.make_node("Odd", [], ["c"], many=[tensor("first"), tensor(location)])])


def in_branch_of_a_branch(location):
    inner = in_initializer(location).graph
    for _ in range(3):
        inner = model(node=[helper.make_node("If", ["x"], ["y"], then_branch=inner)]).graph
    return helper.make_model(inner)


def in_function(location):
    made = model()
    node = helper.make_node("Constant", [], ["c"], value=tensor(location))
    made.functions.append(helper.make_function("local", "F", [], ["c"], [node], []))
    return made


def in_training_info(location):
    made = model()
    made.training_info.add().algorithm.CopyFrom(in_initializer(location).graph)
    return made


PLACES = [
    in_initializer,
    in_sparse_initializer,
    in_attribute,
    in_attribute_list,
    in_branch_of_a_branch,
    in_function,
    in_training_info,
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "*/_ORT_MEM_ADDR_/*", "ünï"])
def test_location_is_found_at_any_position(place, location):
    assert location in find_external_locations(place(location).SerializeToString())


def test_every_location_of_one_tensor_counts():
    twice = tensor("model.onnx.data")
    twice.external_data.add(key="location", value="elsewhere")
    assert find_external_locations(model(initializer=[twice]).SerializeToString()) == {
        "model.onnx.data",
        "elsewhere",
    }


def test_weights_inside_the_graph_have_no_location():
    inside = onnx.numpy_helper.from_array(np.arange(9, dtype=np.float32), "w")
    assert find_external_locations(model(initializer=[inside]).SerializeToString()) == set()


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_random_bytes_end_in_an_answer_or_the_error(data):
    with suppress(MalformedGraphError):
        assert isinstance(find_external_locations(data), set)


GOOD = in_branch_of_a_branch("elsewhere").SerializeToString()


@settings(max_examples=300)
@given(cut=st.integers(0, len(GOOD)), flip=st.integers(0, len(GOOD) - 1), to=st.integers(0, 255))
def test_damaged_graphs_end_in_an_answer_or_the_error(cut, flip, to):
    damaged = bytearray(GOOD)
    damaged[flip] = to
    with suppress(MalformedGraphError):
        assert isinstance(find_external_locations(bytes(damaged[:cut])), set)


def wrap(field: int, content: bytes) -> bytes:
    """A message whose only field, of this number, contains `content`."""
    size, length = len(content), bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([field << 3 | 2, *length, size]) + content


def test_deep_nesting_needs_no_stack():
    graph = in_initializer("deep").graph.SerializeToString()
    for _ in range(2000):
        graph = wrap(1, wrap(5, wrap(6, graph)))  # in an attribute of a node of a graph
    assert find_external_locations(wrap(7, graph)) == {"deep"}


@pytest.mark.parametrize(
    "data",
    [b"\x3a\x05abc", b"\x3a", b"\x80" * 11, b"\x0b\x00", b"\x0f", b"\x09\x01"],
    ids=["short field", "no length", "endless number", "group", "wire type 7", "short fixed64"],
)
def test_other_bytes_than_a_protocol_buffer_are_malformed(data):
    with pytest.raises(MalformedGraphError):
        find_external_locations(data)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int8])
def test_initializers_are_read_from_the_graph_and_from_its_file(tmp_path, dtype):
    inside, outside = (np.arange(count, dtype=dtype).reshape(2, -1) for count in (6, 800))
    graph = model(
        initializer=[numpy_helper.from_array(each, name) for each, name in ((inside, "a"), (outside, "b"))]
    )
    path = tmp_path / "model.onnx"
    onnx.save(graph, path, save_as_external_data=True, location="weights", size_threshold=100)
    found = find_tensors(path.read_bytes())
    assert [each.location for each in found.values()] == ["", "weights"]
    for name, expected in (("a", inside), ("b", outside)):
        read = found[name].read(tmp_path)
        assert (read.dtype, read.tolist()) == (np.dtype(dtype), expected.tolist())


@pytest.mark.parametrize(
    "damage",
    [
        {"offset": 99},
        {"offset": -1},
        {"dims": (9, 9)},
        {"dims": (-1,)},
        {"dims": (1 << 60,)},
        {"data_type": 16},
    ],
)
def test_a_tensor_that_its_file_does_not_hold_is_refused(tmp_path, damage):
    (tmp_path / "weights").write_bytes(bytes(8))
    whole = {"location": "weights", "offset": 0, "dims": (8,), "data_type": TensorProto.INT8}
    assert GraphTensor(**whole).read(tmp_path).tolist() == [0] * 8
    with pytest.raises(MalformedGraphError, match="a tensor of"):
        GraphTensor(**{**whole, **damage}).read(tmp_path)


def test_an_offset_that_is_no_number_is_refused():
    odd = tensor("weights")
    odd.external_data[0].value = "x"
    with pytest.raises(MalformedGraphError, match="offset"):
        find_tensors(model(initializer=[odd]).SerializeToString())
