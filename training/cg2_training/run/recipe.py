"""Training recipe: one TOML file that command-line options can override."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cg2_training.data.mixture import SourceMix
from cg2_training.errors import TrainingError
from cg2_training.objective import ObjectiveConfig
from cg2_training.run.recipe_bounds import find_bounds_problem
from cg2ls.models.codegen2 import CodeGenConfig
from cg2ls.models.int4 import BLOCK_SIZE

T = TypeVar("T")

OPTIMIZERS = ("adamw", "adamw8bit", "muon")

MUON_SPLITS = ("none", "qkv", "heads")

PRECISIONS = ("auto", "bfloat16", "float32")


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """Shape of the model; see `cg2ls.models.codegen2.CodeGenConfig`."""

    n_layer: int
    n_embd: int
    n_head: int
    rotary_dim: int
    context_length: int
    vocab_size: int
    n_masks: int
    qkv_groups: int = 4

    def config(self) -> CodeGenConfig:
        """Return the architecture; the MLP is four times as wide as the residual."""
        return CodeGenConfig(
            n_layer=self.n_layer,
            n_embd=self.n_embd,
            n_head=self.n_head,
            rotary_dim=self.rotary_dim,
            n_positions=self.context_length,
            vocab_size=self.vocab_size,
            n_inner=4 * self.n_embd,
            qkv_groups=self.qkv_groups,
        )


@dataclass(frozen=True, kw_only=True)
class OptimizerSection:
    """Optimizer and learning-rate schedule.

    Attributes:
        name: "adamw", "adamw8bit" (8-bit moments, by bitsandbytes) or "muon" (Muon for the hidden matrices, AdamW for
            the rest).
        lr: peak learning rate of AdamW.
        muon_lr: peak learning rate of Muon, on the scale of AdamW's update size.
        muon_split: whether Muon orthogonalizes the fused projection of queries, keys and values whole ("none"), as
            three matrices ("qkv") or as the three matrices of each head ("heads").
        schedule: "cosine" (warm-up, cosine to `final_lr_ratio`) or "wsd" (warm-up, constant, linear decay over
            the last `decay_share` of the steps).
        warmup_steps: steps of linear warm-up.
        final_lr_ratio: final learning rate over the peak.
        tail_share: share of the steps, at the end, in which a cosine schedule stays at the final learning rate.
        decay_share: see `schedule`.
        weight_decay: decoupled weight decay, on matrices only.
        beta1: AdamW's first-moment decay.
        beta2: AdamW's second-moment decay.
        clip: maximum gradient norm.
        z_loss: weight of logsumexp^2, which limits the drift of logits (as in the authors' trainer).
    """

    name: str = "adamw"
    lr: float = 2e-3
    muon_lr: float = 5e-3
    muon_split: str = "none"
    schedule: str = "cosine"
    warmup_steps: int = 100
    final_lr_ratio: float = 0.1
    tail_share: float = 0.0
    decay_share: float = 0.3
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    z_loss: float = 1e-4


@dataclass(frozen=True, kw_only=True)
class RunSection:
    """Length of a run, its intervals and its use of the machine.

    Attributes:
        steps: total number of optimizer steps.
        rows_per_step: rows of `context_length` tokens in one step.
        seed: seed of the initial weights, the order of the data and every corruption.
        save_every: steps between saved states.
        evaluate_every: steps between evaluations on held-out rows.
        evaluate_rows: held-out rows of each kind.
        served_places: held-out cursors of each source at which the rest of the line is scored in the server's layout,
            with the right, a wrong and no text below; 0 measures none.
        rows_per_pass: rows of one forward and backward pass; a step sums the gradients of its passes. 0 means one pass
            for each step.
        loaders: worker processes that prepare batches; 0 makes each batch on demand.
        compile: whether to use torch.compile.
        threads: CPU threads; 0 chooses them automatically.
        precision: dtype of the products: "bfloat16", "float32", or "auto" for bfloat16 if the hardware supports it.
        int4_share: share of the steps, at the end, that compute with the blocks' matrices rounded as in int4, so that
            the export loses less (see `cg2_training.optim.optimizer`).
    """

    steps: int
    rows_per_step: int
    rows_per_pass: int = 0
    loaders: int = 1
    seed: int = 1234
    save_every: int = 100
    evaluate_every: int = 250
    evaluate_rows: int = 64
    served_places: int = 16
    compile: bool = True
    threads: int = 0
    precision: str = "auto"
    int4_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a run, except the corpus and the machine.

    Attributes:
        data: weight and epochs of each source of the corpus; empty if all tokens have the same weight.
    """

    name: str
    model: ModelSection
    run: RunSection
    optimizer: OptimizerSection = field(default_factory=OptimizerSection)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    data: dict[str, SourceMix] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a recipe file and apply overrides of the form `section.key=value`.

        Raises:
            TrainingError: the file is missing or damaged; a key is unknown, missing or contradictory.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise TrainingError(f"the recipe {path} does not exist; name an existing file.") from None
        except (OSError, ValueError) as error:
            raise TrainingError(f"the recipe {path} cannot be read ({error}); correct the file.") from None
        for override in overrides:
            _apply_override(raw, override)
        return cls.from_dict(raw, str(path))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], origin: str = "recipe") -> Recipe:
        """Build a recipe from parsed TOML; see `load` for errors."""
        sections = {
            "model": ModelSection,
            "run": RunSection,
            "optimizer": OptimizerSection,
            "objective": ObjectiveConfig,
        }
        unknown = set(raw) - set(sections) - {"name", "data"}
        if unknown:
            raise TrainingError(
                f"{origin}: unknown section {sorted(unknown)[0]!r}; known are {', '.join([*sections, 'data'])}."
            )
        built: dict[str, Any] = {
            key: _parse_section(kind, raw.get(key, {}), f"{origin}: [{key}]")
            for key, kind in sections.items()
        }
        data = _parse_data(raw.get("data", {}), origin)
        recipe = cls(name=str(raw.get("name", "unnamed")), **built, data=data)
        recipe._check(origin)
        return recipe

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as the tables that `from_dict` reads."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """Return the recipe as the TOML text that `load` reads."""
        raw = self.to_dict()
        lines = [f"name = {json.dumps(raw.pop('name'))}"]
        data = {f"data.{json.dumps(source)}": values for source, values in raw.pop("data").items()}
        for section, values in (raw | data).items():
            lines += ["", f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        return "\n".join(lines)

    def _check(self, origin: str) -> None:
        if problem := find_bounds_problem(self.to_dict()):
            raise TrainingError(f"{origin}: {problem}")
        self.model.config()
        if self.optimizer.name not in OPTIMIZERS:
            raise TrainingError(
                f"{origin}: optimizer.name is {self.optimizer.name!r}; choose {', '.join(OPTIMIZERS)}."
            )
        if self.optimizer.muon_split not in MUON_SPLITS:
            raise TrainingError(
                f"{origin}: optimizer.muon_split is {self.optimizer.muon_split!r}; choose {', '.join(MUON_SPLITS)}."
            )
        if self.optimizer.schedule not in ("cosine", "wsd"):
            raise TrainingError(
                f"{origin}: optimizer.schedule is {self.optimizer.schedule!r}; choose cosine or wsd."
            )
        if self.run.precision not in PRECISIONS:
            raise TrainingError(
                f"{origin}: run.precision is {self.run.precision!r}; choose {', '.join(PRECISIONS)}."
            )
        if self.run.int4_share and self.model.n_embd % BLOCK_SIZE:
            raise TrainingError(
                f"{origin}: run.int4_share needs model.n_embd to be a multiple of {BLOCK_SIZE}, not"
                f" {self.model.n_embd}."
            )
        if self.optimizer.warmup_steps >= self.run.steps:
            raise TrainingError(
                f"{origin}: optimizer.warmup_steps is {self.optimizer.warmup_steps}, but must be below"
                f" run.steps ({self.run.steps})."
            )
        if problem := self.objective.find_problem():
            raise TrainingError(f"{origin}: {problem}")
        if self.objective.infill == "span_corruption" and self.objective.max_spans > self.model.n_masks:
            raise TrainingError(
                f"{origin}: objective.max_spans is {self.objective.max_spans}, but model.n_masks is only"
                f" {self.model.n_masks}; lower max_spans."
            )


def _parse_data(raw: Any, origin: str) -> dict[str, SourceMix]:
    if not isinstance(raw, Mapping) or not all(isinstance(table, Mapping) for table in raw.values()):
        raise TrainingError(
            f"{origin}: [data] needs a table for each source, such as [data.code] with weight = 1.0."
        )
    mixes = {
        name: _parse_section(SourceMix, table, f"{origin}: [data.{name}]") for name, table in raw.items()
    }
    for name, mix in mixes.items():
        if not (0 <= mix.weight < math.inf and 0 <= mix.epochs < math.inf):
            raise TrainingError(f"{origin}: [data.{name}]: weight and epochs must be at least 0.")
    return mixes


def _parse_section(kind: type[T], raw: Mapping[str, Any], where: str) -> T:
    types = {f.name: f.type for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key, value in raw.items():
        if key not in types:
            raise TrainingError(f"{where}: unknown key {key!r}; known are {', '.join(types)}.")
        expected: Any = {"int": int, "float": (int, float), "str": str, "bool": bool}[str(types[key])]
        if not isinstance(value, expected) or (isinstance(value, bool) and types[key] != "bool"):
            raise TrainingError(f"{where}: {key} must be {types[key]}, not {value!r}.")
    try:
        return kind(**raw)
    except TypeError as error:
        missing = str(error).split("argument", 1)[-1].lstrip("s: ")
        raise TrainingError(f"{where}: missing {missing}.") from None


def _apply_override(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    *sections, name = key.split(".")
    if not separator or not all(sections) or not sections:
        raise TrainingError(f"override {override!r} must look like section.key=value.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except ValueError:
        parsed = value
    table = raw
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise TrainingError(f"override {override!r}: {section} is not a section.")
    table[name] = parsed
