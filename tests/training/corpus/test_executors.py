"""Slurm: a replacement for `sbatch` runs the scripts that a cluster would get."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cg2_training.corpus.collect import collect
from cg2_training.corpus.collection import collection_from_paths
from cg2_training.errors import CorpusError
from tests.training.corpus.corpus_samples import module

SBATCH = """#!/bin/bash
# Runs each task of an array job at once, in the order of the jobs, as `afterok` would.
script=$(mktemp); cat "${@: -1}" > $script 2>/dev/null || cat > $script
last=$(sed -nE 's/^#SBATCH --array=0-([0-9]+).*/\\1/p' $script)
for task in $(seq 0 ${last:-0}); do
  SLURM_ARRAY_TASK_ID=$task SLURM_NODELIST=here RUN_OFFSET=0 bash $script >> "$LOG" 2>&1 || exit 1
done
echo "Submitted batch job 7"
"""

SRUN = """#!/bin/bash
while [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done
exec "$@"
"""
SCONTROL = "#!/bin/bash\necho here\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    for number in range(9):
        (tmp_path / "project" / f"m{number}.py").write_text(module(f"m{number}", 30))
    return tmp_path / "project"


def test_slurm_and_one_machine_make_the_same_corpus(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"sbatch": SBATCH, "srun": SRUN, "scontrol": SCONTROL}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    python = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tools}:{python}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    collection = collection_from_paths([project], licence="MIT", heldout=0.2)
    collect(collection, tmp_path / "here", workers=1, tasks=3, progress=False)
    options = {"time": "01:00:00", "partition": "cpu"}
    told = collect(
        collection, tmp_path / "there", executor="slurm", workers=3, tasks=3, options=options, progress=False
    )
    assert told is None, "the cluster works on after the command"
    for name in ("project/train.jsonl", "project/heldout.jsonl"):
        there = tmp_path / "there" / name
        assert there.exists(), (tmp_path / "log").read_text()
        assert there.read_bytes() == (tmp_path / "here" / name).read_bytes()


@pytest.mark.parametrize(
    ("executor", "options", "says"),
    [
        ("slurm", {}, "Slurm needs time; give it as --option time=VALUE"),
        ("slurm", {"time": "1:00", "partition": "x", "colour": "red"}, "refuses an option"),
        ("ray", {}, "Ray cannot be used"),
    ],
)
def test_missing_cluster_options_are_named(
    project: Path, tmp_path: Path, executor: str, options: dict[str, str], says: str
) -> None:
    with pytest.raises(CorpusError, match=says):
        collect(
            collection_from_paths([project]), tmp_path / "out", executor=executor, options=options, tasks=1
        )
