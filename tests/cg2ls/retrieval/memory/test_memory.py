"""Memory over real files: what it knows, what it forgets, and what it survives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cg2ls.models.codegen2.tokenizer import CodeTokenizer
from cg2ls.retrieval.memory import Memory
from cg2ls.retrieval.memory.prior import MemoryPrior
from cg2ls.retrieval.memory.read_workspace import Stamp
from cg2ls.retrieval.memory.store import BYTES_PER_TOKEN, Store, StoreError
from cg2ls.retrieval.memory.update_index import MAX_UNSTORED_BYTES, bytes_of
from cg2ls.workspace import Refusal, Workspace
from tests.cg2ls.retrieval.memory.brute_force import matches


@pytest.fixture
def store(repository: Path, tokenizer: CodeTokenizer, tmp_path: Path) -> Store:
    return Store.of(repository, "python", tokenizer, tmp_path / "cache")


@pytest.fixture
def memory(repository: Path, tokenizer: CodeTokenizer, store: Store) -> Memory:
    made = Memory(Workspace(repository), "python", tokenizer, store=store)
    made.refresh()
    return made


def goes_on(memory: Memory, tokenizer: CodeTokenizer, path: str, text: str, count: int = 8) -> str:
    """Return what memory alone predicts after a text: for the model, all tokens are equally likely."""
    prior = memory.prior(path, text, len(text))
    assert prior is not None
    flat = np.zeros(tokenizer.special.vocab_size, np.float32)
    generated: list[int] = []
    for _ in range(count):
        generated.append(int(prior.mix(generated, flat).argmax()))
    return tokenizer.decode(generated)


def test_a_name_from_another_file_is_known(memory: Memory, tokenizer: CodeTokenizer) -> None:
    text = "def close(ledger, customer):\n    return ledger.settle_out"
    assert goes_on(memory, tokenizer, "main.py", text).startswith("standing_balance(")


def test_draft_continues_the_longest_match(memory: Memory, tokenizer: CodeTokenizer) -> None:
    text = "class OrderLedger:\n    def settle_out"
    prior = memory.prior("main.py", text, len(text))
    assert prior
    assert tokenizer.decode(prior.draft([], 5)).startswith("standing_balance")
    assert prior.draft([1, 2, 3], 5) == ()


def test_the_file_on_disk_is_not_evidence_for_its_own_document(
    memory: Memory, tokenizer: CodeTokenizer
) -> None:
    text = "def close(ledger, customer):\n    return ledger.settle_out"
    prior = memory.prior("shop/orders.py", text, len(text))
    assert prior
    assert not len(prior.evidence(tokenizer.encode("standing")).votes.tokens) or (
        "standing_balance" not in goes_on(memory, tokenizer, "shop/orders.py", text)
    )


def test_just_typed_text_is_known(memory: Memory, tokenizer: CodeTokenizer) -> None:
    text = "frobnicate_quickly = 1\n\n\nprint(frobn"
    assert goes_on(memory, tokenizer, "main.py", text).startswith("icate_quickly")
    text = text.replace("quickly", "slowly")
    assert goes_on(memory, tokenizer, "main.py", text).startswith("icate_slowly")


def test_changed_new_and_deleted_files_count_as_they_are(
    memory: Memory, repository: Path, tokenizer: CodeTokenizer
) -> None:
    text = "x = ledger.settle_"
    (repository / "shop/orders.py").write_text("def settle_right_now(ledger):\n    pass\n")
    memory.file_changed(repository / "shop/orders.py")
    assert goes_on(memory, tokenizer, "main.py", text).startswith("right_now")
    (repository / "shop/orders.py").unlink()
    memory.file_changed(repository / "shop/orders.py")
    (repository / "shop/more.py").write_text("def settle_later(ledger):\n    pass\n")
    memory.file_changed(repository / "shop/more.py")
    assert goes_on(memory, tokenizer, "main.py", text).startswith("later(")


def test_a_file_that_became_ignored_is_forgotten(
    memory: Memory, repository: Path, tokenizer: CodeTokenizer
) -> None:
    (repository / ".gitignore").write_text("orders.py\n")
    memory.refresh()
    assert "standing" not in goes_on(memory, tokenizer, "main.py", "x = ledger.settle_out")


def test_secrets_never_enter(
    memory: Memory, repository: Path, store: Store, tokenizer: CodeTokenizer
) -> None:
    (repository / "shop/keys.py").write_text('AWS = "AKIA' + "QRSTUVWXYZABCDEF" + '"\n')
    told: list[Refusal] = []
    memory.refresh(refused=told.append)
    assert [each.reason for each in told] == ["secret content"]
    held = tokenizer.encode("QRSTUVWXYZABCDEF")
    backwards = np.frombuffer((store.folder / "tokens.bin").read_bytes(), ">u2").tolist()
    assert str(held[::-1])[1:-1] not in str(backwards)


def test_an_index_survives_a_restart_and_no_file_is_read_again(
    memory: Memory, repository: Path, store: Store, tokenizer: CodeTokenizer
) -> None:
    encoded: list[str] = []

    class Counting:
        special = tokenizer.special

        def encode(self, text: str) -> list[int]:
            encoded.append(text)
            return tokenizer.encode(text)

    again = Memory(Workspace(repository), "python", Counting(), store=store)  # type: ignore[arg-type]
    again.refresh()
    assert not encoded
    assert again.indexed_tokens == memory.indexed_tokens > 0
    assert goes_on(again, tokenizer, "main.py", "x = ledger.settle_out").startswith("standing")


def test_small_changes_rewrite_little(
    memory: Memory, repository: Path, store: Store, tokenizer: CodeTokenizer
) -> None:
    (repository / "big.py").write_text("value = 1\n" * 1000)
    memory.refresh()
    written = (store.folder / "index.json").read_text()
    (repository / "small.py").write_text("wards_first = 1\n")
    memory.refresh()
    assert (store.folder / "index.json").read_text() == written
    assert goes_on(memory, tokenizer, "main.py", "x = wards_").startswith("first")


def test_text_kept_in_addition_to_the_index_is_bounded(
    memory: Memory, repository: Path, store: Store, tokenizer: CodeTokenizer
) -> None:
    """A checkout of another branch changes file by file; above this many bytes the index is rebuilt."""
    before = len(store.read().files)
    for number in range(5):
        changed = repository / f"m{number}.py"
        changed.write_text("value = 1\n" * (MAX_UNSTORED_BYTES // 40))
        memory.file_changed(changed)
        assert memory.indexed_tokens > 0
    beside = bytes_of((Stamp(file.modified, file.size) for file in memory._changes.files), memory.workspace)
    assert beside <= MAX_UNSTORED_BYTES
    assert len(store.read().files) > before
    assert goes_on(memory, tokenizer, "main.py", "x = ledger.settle_out").startswith("standing")


def test_a_file_too_large_to_be_read_is_no_reason_to_write_the_index(
    memory: Memory, repository: Path, store: Store
) -> None:
    written = (store.folder / "index.json").read_text()
    (repository / "data.py").write_text("value = 1\n" * 200_000)
    memory.refresh()
    memory.file_changed(repository / "data.py")
    assert (store.folder / "index.json").read_text() == written


def test_near_and_recent_text_weighs_more(repository: Path, tokenizer: CodeTokenizer, store: Store) -> None:
    """Two files disagree; the one in the document's folder wins, then the one that was saved last."""
    for folder, name in (("north", "alpaca"), ("south", "zebra")):
        (repository / folder).mkdir()
        (repository / folder / "animals.py").write_text(f"import animals\n\nfavourite_animal = {name}_pen\n")
    memory = Memory(Workspace(repository), "python", tokenizer, store=store)
    memory.refresh()
    text = "import animals\n\nfavourite_animal ="
    assert goes_on(memory, tokenizer, "north/main.py", text).startswith(" alpaca_pen")
    assert goes_on(memory, tokenizer, "south/main.py", text).startswith(" zebra_pen")
    for folder, name in (("north", "alpaca"), ("south", "zebra")):
        saved = repository / folder / "animals.py"
        saved.write_text(f"import animals\n\nfavourite_animal = {name}_den\n")
        memory.file_changed(saved)
        assert goes_on(memory, tokenizer, "elsewhere/main.py", text).startswith(f" {name}_den")
        saved.write_text(f"import animals\n\nfavourite_animal = {name}_pen\n")
        memory.refresh()
    own = "import animals\n\nfavourite_animal = dog_pen\n\n\n"
    assert goes_on(memory, tokenizer, "north/main.py", own + text).startswith(" dog_pen")


def damage(store: Store, how: str) -> None:
    if how == "cut tokens":
        (store.folder / "tokens.bin").write_bytes((store.folder / "tokens.bin").read_bytes()[:-2])
    elif how == "cut suffixes":
        (store.folder / "suffixes.bin").write_bytes(b"")
    elif how == "other places":
        size = (store.folder / "suffixes.bin").stat().st_size
        (store.folder / "suffixes.bin").write_bytes(b"\xff" * size)
    elif how == "no description":
        (store.folder / "index.json").unlink()
    else:
        described = json.loads((store.folder / "index.json").read_text())
        described |= {"tokenizer": "of another model"} if how == "other tokenizer" else {"files": [[1]]}
        (store.folder / "index.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    "how", ["cut tokens", "cut suffixes", "other places", "no description", "other tokenizer", "other files"]
)
def test_changed_index_is_rebuilt(
    memory: Memory, repository: Path, store: Store, tokenizer: CodeTokenizer, how: str
) -> None:
    damage(store, how)
    with pytest.raises(StoreError, match="index"):
        store.read()
    if how == "no description":
        (store.folder / "index.json").write_text("{")
    again = Memory(Workspace(repository), "python", tokenizer, store=store)
    again.refresh()
    assert store.read().tokens == again.indexed_tokens == memory.indexed_tokens


def test_where_nothing_can_be_written_memory_lasts_for_the_session(
    repository: Path, tokenizer: CodeTokenizer, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    store = Store.of(repository, "python", tokenizer, tmp_path / "taken")
    memory = Memory(Workspace(repository), "python", tokenizer, store=store)
    memory.refresh()
    assert goes_on(memory, tokenizer, "main.py", "x = ledger.settle_out").startswith("standing")


def test_the_index_is_small_and_readable_by_its_owner_only(memory: Memory, store: Store) -> None:
    for folder in (store.folder, store.folder.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    size = sum((store.folder / name).stat().st_size for name in ("tokens.bin", "suffixes.bin"))
    assert size <= BYTES_PER_TOKEN * (memory.indexed_tokens + 40)


def test_before_anything_is_read_only_the_document_is_known(
    repository: Path, tokenizer: CodeTokenizer, store: Store
) -> None:
    memory = Memory(Workspace(repository), "python", tokenizer, store=store)
    assert goes_on(memory, tokenizer, "main.py", "alpha_beta = 1\nprint(alpha_").startswith("beta")


def test_a_large_document_is_indexed_in_the_background(memory: Memory, tokenizer: CodeTokenizer) -> None:
    """Completion does not wait for it, and uses the other files in the meantime."""
    text = "alpha_beta = 1\n" + "value = compute(1)\n" * 12_000 + "print(alpha_"
    assert memory.must_open("main.py", text)
    assert not memory.must_open("main.py", text)
    prior = memory.prior("main.py", text, len(text))
    assert prior
    assert "main.py" not in memory.documents._live
    memory.opened("main.py", text)
    assert goes_on(memory, tokenizer, "main.py", text).startswith("beta")


def everything(prior: MemoryPrior, tokenizer: CodeTokenizer) -> list[tuple[int, int]]:
    votes = prior.evidence([]).votes
    return sorted(zip(votes.lengths.tolist(), votes.tokens.tolist(), strict=True))


NAMES = st.sampled_from(["a.py", "b.py", "sub/c.py", "sub/d.py"])
WORDS = st.lists(st.sampled_from(["x", " = ", "foo", "(", ")", "\n", "    ", "y"]), max_size=12).map("".join)


@settings(max_examples=30)
@given(steps=st.lists(st.tuples(NAMES, st.none() | WORDS), max_size=8), document=WORDS, data=st.data())
def test_votes_are_those_of_all_entries_through_any_changes(
    tmp_path_factory: pytest.TempPathFactory,
    tokenizer: CodeTokenizer,
    steps: list[tuple[str, str | None]],
    document: str,
    data: st.DataObject,
) -> None:
    root = tmp_path_factory.mktemp("repository")
    (root / "sub").mkdir()
    memory = Memory(
        Workspace(root), "python", tokenizer, store=Store.of(root, "python", tokenizer, root / "sub/cache")
    )
    files: dict[str, str] = {}
    for name, text in steps:
        if text is None:
            (root / name).unlink(missing_ok=True)
            files.pop(name, None)
        else:
            (root / name).write_text(text)
            files[name] = text
        if data.draw(st.booleans()):
            memory.file_changed(root / name)
        else:
            memory.refresh()
    memory.refresh()
    offset = data.draw(st.integers(0, len(document)))
    prior = memory.prior("a.py", document, offset)
    assert prior
    separator = tokenizer.special.end_of_text
    others = [tokenizer.encode(text) for name, text in files.items() if name != "a.py"]
    left, hidden = memory.documents._live["a.py"].lines.before(offset)
    own = memory.documents._live["a.py"].lines.tokens.tolist()
    expected = matches([*others, own], [separator, *left.tolist()], separator, hidden)
    assert everything(prior, tokenizer) == sorted(match for match in expected.elements() if match[0])
