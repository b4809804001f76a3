"""Train the arms: one after another here, resumable to the step and aware of a deadline, or as jobs of a cluster."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from cg2_training.errors import TrainingError
from cg2_training.lessons.arms import Arm
from cg2_training.lessons.corpora import Sources, open_set
from cg2_training.lessons.plan import LOCK, Plan, claim_work
from cg2_training.lessons.results import result_path, write_result
from cg2_training.lessons.scores import score_rows
from cg2_training.model.codegen import model_predictions
from cg2_training.objective import ObjectiveConfig
from cg2_training.trainer import Trainer
from cg2ls.files import write_atomically
from cg2ls.system import lock

OnEvent = Callable[[str], None]


def run_queue(
    plan: Plan,
    *,
    deadline: float,
    on_event: OnEvent,
    clock: Callable[[], float] = time.monotonic,
    progress: bool = True,
) -> int:
    """Train and score the arms that have no result yet.

    Args:
        plan: arms and seeds to run.
        deadline: value of the clock after which no step begins and the state is saved.
        on_event: receives a line for each arm.
        clock: clock in seconds.
        progress: whether to draw progress bars.

    Returns:
        The number of remaining runs.

    Raises:
        TrainingError: the work folder belongs to other runs or to another process, or an arm failed; then all
            other arms were run first.
    """
    with _locked(plan):
        identity = plan.identity()
        claim_work(plan.work, identity)
        left = [run for run in plan.runs if not result_path(plan.results, run[0].name, run[1]).exists()]
        total, done, failures = len(plan.runs), 0, []
        for number, (arm, seed) in enumerate(left, start=total - len(left) + 1):
            if clock() >= deadline:
                break
            on_event(f"{number} of {total}: {arm.name} ({arm.title}), seed {seed}")
            try:
                if not _run_arm(plan, arm, seed, str(identity["commit"]), deadline, clock, progress):
                    break
            except TrainingError as error:
                failures.append(f"{arm.name}, seed {seed}: {error}")
                on_event(f"failed: {error}")
            else:
                done += 1
    if failures:
        raise TrainingError(f"{len(failures)} of {total} runs failed; the first is {failures[0]}")
    return len(left) - done


def _run_arm(
    plan: Plan,
    arm: Arm,
    seed: int,
    commit: str,
    deadline: float,
    clock: Callable[[], float],
    progress: bool,
) -> bool:
    """Train an arm to its end and store its scores; return whether the deadline left time for both."""
    recipe, run = plan.recipe(arm, seed), plan.run_folder(arm, seed)
    trainer = Trainer(
        recipe, open_set(plan.train_sources(arm)), plan.corpora.heldout_set(arm), run, clock=clock
    )
    if trainer.done < recipe.run.steps:
        trainer.fit(progress=progress, deadline=deadline)
    if trainer.done < recipe.run.steps or clock() >= deadline:
        return False
    scores = score_rows(
        partial(model_predictions, trainer.model),
        plan.corpora.heldout,
        plan.context,
        plan.rows,
        ObjectiveConfig(**plan.full["objective"]),
        prefix_lm=recipe.objective.prefix_lm,
    )
    notes = {
        "size": plan.size,
        "parameters": trainer.model.config.n_parameters,
        "commit": commit,
        "precision": str(trainer.precision),
        "tokens": recipe.run.steps * recipe.run.rows_per_step * plan.context,
        "epochs": {name: round(times, 3) for name, times in trainer.rows().epochs(_rows(trainer)).items()},
        "recipe": asdict(recipe),
    }
    write_result(plan.results, arm.name, seed, notes, scores)
    # The checkpoint stays; the training states are several times as large.
    shutil.rmtree(run / "states", ignore_errors=True)
    return True


def _rows(trainer: Trainer) -> int:
    return trainer.recipe.run.steps * trainer.recipe.run.rows_per_step


@contextmanager
def _locked(plan: Plan) -> Iterator[None]:
    """Keep other processes from training in the same work folder."""
    if plan.work.exists() and not plan.work.is_dir():
        raise TrainingError(f"{plan.work} is a file; choose another --work folder.")
    plan.work.mkdir(parents=True, exist_ok=True)
    with (plan.work / LOCK).open("w") as file:
        try:
            lock(file.fileno(), wait=False)
        except BlockingIOError:
            raise TrainingError(
                f"another process runs lessons in {plan.work}; wait for it, or choose another --work folder."
            ) from None
        yield


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
