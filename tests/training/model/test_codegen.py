"""Our CodeGen computes what `transformers` computes, and a wrong group count shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import CodeGenConfig as HfConfig
from transformers import CodeGenForCausalLM

from cg2_quantize.checkpoint.synthetic import write_random_checkpoint
from cg2_training.errors import TrainingError
from cg2_training.model.codegen import CodeGen, load_model, make_region_mask
from cg2ls.models.codegen2 import Checkpoint, CodeGenConfig
from cg2ls.models.codegen2.config import CODEGEN25
from cg2ls.models.codegen2.tensor_layout import regroup_qkv

CONFIG = CodeGenConfig(
    n_layer=3, n_embd=64, n_head=8, rotary_dim=4, n_positions=48, vocab_size=97, n_inner=256, qkv_groups=4
)
TOLERANCE = 1e-4


def reference(state: dict[str, Tensor]) -> CodeGenForCausalLM:
    """The model of `transformers`, whose qkv layout is always 4 groups."""
    raw = {key: value for key, value in CONFIG.to_dict(end_of_text_id=0).items() if key != "torch_dtype"}
    model = CodeGenForCausalLM(HfConfig(**raw, attn_implementation="eager")).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if "causal_mask" not in name]
    return model


@pytest.fixture
def model() -> CodeGen:
    model = CodeGen(CONFIG)
    generator = torch.Generator().manual_seed(0)
    model.init_weights(generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, CONFIG.vocab_size, (2, 40), generator=torch.Generator().manual_seed(1))


def difference(model: CodeGen, other: CodeGenForCausalLM, tokens: Tensor) -> float:
    with torch.no_grad():
        return float((model(tokens) - other(tokens).logits).abs().max())


def test_four_groups_agree_with_transformers(model: CodeGen, tokens: Tensor) -> None:
    assert difference(model, reference(model.state_dict()), tokens) < TOLERANCE


def test_eight_groups_agree_after_regrouping(model: CodeGen, tokens: Tensor) -> None:
    eight = CodeGen(dataclasses.replace(CONFIG, qkv_groups=8))
    eight.load_state_dict(model.state_dict())
    state = dict(model.state_dict())
    for name in state:
        if name.endswith("qkv_proj.weight"):
            state[name] = torch.from_numpy(regroup_qkv(state[name].numpy(), 8, 4).copy())
    assert difference(eight, reference(state), tokens) < TOLERANCE


def test_a_wrong_group_count_is_seen(model: CodeGen, tokens: Tensor) -> None:
    wrong = CodeGen(dataclasses.replace(CONFIG, qkv_groups=8))
    wrong.load_state_dict(model.state_dict())
    assert difference(wrong, reference(model.state_dict()), tokens) > 100 * TOLERANCE


def test_no_position_sees_a_later_one(model: CodeGen, tokens: Tensor) -> None:
    changed = tokens.clone()
    changed[:, 25:] = (changed[:, 25:] + 1) % CONFIG.vocab_size
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :25], after[:, :25])
    assert not torch.equal(before[:, 25:], after[:, 25:])


def test_a_prefix_sees_itself_whole_and_the_rest_is_causal(model: CodeGen, tokens: Tensor) -> None:
    regions = torch.zeros_like(tokens)
    regions[0, :10] = 1
    regions[1, :30] = 1
    mask = make_region_mask(regions)
    changed = tokens.clone()
    changed[:, 20] = (changed[:, 20] + 1) % CONFIG.vocab_size
    with torch.no_grad():
        before, after = model(tokens, mask), model(changed, mask)
    assert torch.equal(before[0, :20], after[0, :20]), "position 20 is after the first row's prefix"
    assert not torch.equal(before[1, :20], after[1, :20]), "and inside the second row's"
    none = make_region_mask(torch.zeros_like(tokens))
    assert torch.allclose(model(tokens, none), model(tokens), atol=1e-5)


def test_prompts_of_two_documents_do_not_see_each_other(model: CodeGen, tokens: Tensor) -> None:
    regions = torch.zeros_like(tokens)
    regions[:, :10], regions[:, 20:30] = 1, 2
    changed = tokens.clone()
    changed[:, 25] = (changed[:, 25] + 1) % CONFIG.vocab_size
    with torch.no_grad():
        before, after = model(tokens, make_region_mask(regions)), model(changed, make_region_mask(regions))
    assert torch.equal(before[:, :20], after[:, :20]), "what is left of the second prompt cannot see it"
    assert not torch.equal(before[:, 20:25], after[:, 20:25])


def test_codegen25_is_another_network_and_refused(tmp_path: Path) -> None:
    shape = CodeGenConfig(
        n_layer=1,
        n_embd=32,
        n_head=2,
        rotary_dim=16,
        n_positions=32,
        vocab_size=300,
        n_inner=32,
        qkv_groups=1,
        family=CODEGEN25,
    )
    write_random_checkpoint(tmp_path / "llama", shape)
    with pytest.raises(TrainingError, match="can be converted but not trained here"):
        load_model(Checkpoint.open(tmp_path / "llama"))
