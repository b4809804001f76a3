"""Commands that train the arms as jobs of a cluster."""

from __future__ import annotations

import shlex
from pathlib import Path

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import Arm
from cg2_training.lessons.corpora import Sources
from cg2_training.lessons.plan import Plan, claim_work
from cg2_training.lessons.results import result_path
from cg2ls.files import write_atomically

LAUNCHERS = ("torchrun", "slurm")


def job_commands(plan: Plan, launcher: str, processes: int) -> list[str]:
    """Write the recipes and links of all remaining runs, and return one command for each.

    The same call of `cg2-train lessons` without `--print-jobs` then scores the runs, which are trained by then.

    Raises:
        TrainingError: the optimizer cannot be divided among processes.
    """
    if processes > 1 and plan.full["optimizer"]["name"] != "adamw":
        raise TrainingError(
            f"the optimizer {plan.full['optimizer']['name']} computes in one process; add --set"
            " optimizer.name=adamw."
        )
    claim_work(plan.work, plan.identity())
    return [
        _command(plan, arm, seed, launcher, processes)
        for arm, seed in plan.runs
        if not result_path(plan.results, arm.name, seed).exists()
    ]


def _command(plan: Plan, arm: Arm, seed: int, launcher: str, processes: int) -> str:
    recipe = plan.work / "jobs" / f"{arm.name}-{seed}.toml"
    write_atomically(recipe, plan.recipe(arm, seed).to_toml() + "\n")
    heldout = {name: path for domain in arm.domains for name, path in plan.corpora.heldout[domain].items()}
    arguments = [
        *("torchrun", "--nproc-per-node", str(processes), "-m", "--", "cg2_training.cli.main", "pretrain"),
        str(recipe),
        *(
            "--train",
            str(_linked(plan.work / "jobs" / "shards" / arm.name / "train", plan.train_sources(arm))),
        ),
        *("--heldout", str(_linked(plan.work / "jobs" / "shards" / arm.name / "heldout", heldout))),
        *("--run", str(plan.run_folder(arm, seed))),
    ]
    command = shlex.join(arguments)
    if launcher == "torchrun":
        return command
    name = f"lessons-{plan.size}-{arm.name}-{seed}"
    return shlex.join(
        ["sbatch", "--job-name", name, "--ntasks", "1", "--gpus-per-task", str(processes), "--wrap", command]
    )


def _linked(folder: Path, sources: Sources) -> Path:
    """Make a folder with a link to the shard of each source, as `pretrain` reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in sources.items():
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(path.resolve(), target_is_directory=True)
    return folder
