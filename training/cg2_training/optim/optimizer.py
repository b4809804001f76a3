"""AdamW or Muon over float32 master weights, AdamW over sharded weights, and the learning-rate schedule.

In quantization-aware training (Jacob et al. 2018) the working copies are rounded as int4 will round them. The master
weights are not, and take the gradient at the rounded weight (straight-through estimator, Bengio et al. 2013). A run's
checkpoint has the rounded matrices; the export's search for ranges finds the same values again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from cg2_training.errors import TrainingError
from cg2_training.model.codegen import CodeGen
from cg2_training.optim.muon import Muon, qkv_parts
from cg2_training.run.recipe import OptimizerSection
from cg2ls.models.int4 import BLOCK_SIZE, MIN_MOVED_GAIN_SHARE
from cg2ls.privacy import hub_kernels_refused


def lr_scale(step: int, steps: int, config: OptimizerSection) -> float:
    """Return the learning rate over its peak at a step (counted from 0) of `steps`.

    After a linear warm-up comes a cosine with a constant tail, or a constant with a linear decay ("wsd", Hu et al.
    2024, arXiv 2404.06395). Both end at `final_lr_ratio`. If the decay begins before the warm-up ends, the lower of the
    two rates is used.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    low = config.final_lr_ratio
    if config.schedule == "cosine":
        annealed = steps * (1 - config.tail_share) - config.warmup_steps
        done = max(0, step - config.warmup_steps) / max(1, annealed)
        return min(warm, low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
    decay_steps = max(1, round(steps * config.decay_share))
    remaining_steps = max(0, steps - step)
    return min(warm, low + (1 - low) * min(1.0, remaining_steps / decay_steps))


class MasterOptimizer:
    """Optimizer of float32 master weights: the model's parameters, or copies if the model computes in another dtype.

    Attributes:
        rounding: whether the model computes with hidden matrices rounded as in int4.
    """

    def __init__(
        self, model: CodeGen, config: OptimizerSection, dtype: torch.dtype, *, may_round: bool = False
    ) -> None:
        """Create the optimizer.

        Args:
            model: float32 model.
            config: optimizer and its settings.
            dtype: dtype of Muon's products.
            may_round: whether `round_weights` may be called.
        """
        self.config = config
        self.rounding = False
        self.names = [name for name, _ in model.named_parameters()]
        self.working = [parameter for _, parameter in model.named_parameters()]
        # For a float32 model these are the parameters themselves, and publishing them costs nothing.
        self.master = [parameter.detach().float() for parameter in self.working]
        if may_round:
            self.master = [master.clone() for master in self.master]
        hidden = [is_hidden_matrix(name, p) for name, p in zip(self.names, self.master, strict=True)]
        use_muon = config.name == "muon"
        matrices = [
            p for p, h in zip(self.master, hidden, strict=True) if p.ndim > 1 and not (use_muon and h)
        ]
        vectors = [p for p in self.master if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimizers: list[torch.optim.Optimizer] = [make_adamw(groups, config)]
        if use_muon:
            chosen = [(n, p) for n, p, h in zip(self.names, self.master, hidden, strict=True) if h]
            fused, others = (
                [p for n, p in chosen if n.endswith("qkv_proj.weight") == is_fused]
                for is_fused in (True, False)
            )
            parts = qkv_parts(model.config, config.muon_split)
            muon: list[dict[str, Any]] = [{"params": others}, {"params": fused, "parts": parts}]
            self.optimizers.append(Muon(muon, config.muon_lr, weight_decay=config.weight_decay, dtype=dtype))
        self.peaks = [config.lr, config.muon_lr]

    def step(self, scale: float) -> float:
        """Update once at `scale` times the peak learning rate; return the gradient norm before clipping.

        The model's gradients are cleared. A norm that is not finite changes nothing.
        """
        self._take_gradients()
        norm = float(nn.utils.clip_grad_norm_(self.master, self.config.clip))
        if math.isfinite(norm):
            for optimizer, peak in zip(self.optimizers, self.peaks, strict=False):
                for group in optimizer.param_groups:
                    group["lr"] = peak * scale
                optimizer.step()
            self.publish()
        for master in self.master:
            master.grad = None
        return norm

    @torch.no_grad()
    def _take_gradients(self) -> None:
        """Move the model's gradients to the master weights, in float32."""
        gradients = [working.grad for working in self.working if working.grad is not None]
        assert len(gradients) == len(self.working)
        if gradients[0].dtype != torch.float32:
            low_precision = gradients
            gradients = [torch.empty_like(master) for master in self.master]
            torch._foreach_copy_(gradients, low_precision)
        for master, working, gradient in zip(self.master, self.working, gradients, strict=True):
            master.grad, working.grad = gradient, None

    def round_weights(self, enabled: bool) -> None:
        """Turn rounded matrices in the model on or off (see `model.rounded_weights`)."""
        if enabled != self.rounding:
            self.rounding = enabled
            self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the master weights into the model, rounded if rounding is on."""
        targets: list[Tensor] = []
        sources: list[Tensor] = []
        for (_, computed), working in zip(self._computed(), self.working, strict=True):
            if working.data_ptr() != computed.data_ptr():
                targets.append(working)
                sources.append(computed)
        if targets:
            torch._foreach_copy_(targets, sources)

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """Return float32 weights on the CPU by name: the masters, rounded where the model's are."""
        return {name: computed.cpu() for name, computed in self._computed()}

    def _computed(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights that the model computes with, by name: the masters or their rounded values."""
        masters = dict(zip(self.names, self.master, strict=True))
        for name, master in masters.items():
            rounds = self.rounding and is_hidden_matrix(name, master)
            yield name, round_matrix(name, masters) if rounds else master

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield master weights and moments by name, for saving."""
        for name, master in zip(self.names, self.master, strict=True):
            yield f"master.{name}", master
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(master, {}).items():
                    shared = key.startswith("qmap")  # bitsandbytes has one table for all parameters
                    yield f"{key}.{name}", value.clone() if shared else torch.as_tensor(value)

    def allocate(self, _name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Allocate a tensor to read a saved one into."""
        return torch.zeros(shape, dtype=dtype)

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of `named_state`, and the model's weights from it."""
        owners: dict[int, torch.optim.Optimizer] = {}
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                owners |= {id(p): optimizer for p in group["params"]}
        for name, master in zip(self.names, self.master, strict=True):
            master.copy_(state[f"master.{name}"])
            moments: dict[str, Any] = {
                key: tensor.to(master.device, copy=True)
                for key, tensor in ((full.removesuffix(f".{name}"), tensor) for full, tensor in state.items())
                if "." not in key and key != "master"
            }
            if "state1" in moments:  # bitsandbytes keeps the step count as a plain number
                moments["step"] = int(moments["step"])
            if moments:
                owners[id(master)].state[master] = moments
        self.publish()


def make_adamw(groups: list[dict[str, Any]], config: OptimizerSection) -> torch.optim.Optimizer:
    """Create AdamW with 32-bit moments, or with 8-bit ones (Dettmers et al. 2022, arXiv 2110.02861)."""
    betas = (config.beta1, config.beta2)
    if config.name != "adamw8bit":
        return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=True)
    try:
        with hub_kernels_refused():
            from bitsandbytes.optim.adamw import AdamW8bit
    except ModuleNotFoundError:
        raise TrainingError(
            "optimizer.name adamw8bit needs bitsandbytes; install it with: pip install bitsandbytes"
        ) from None
    optimizer: torch.optim.Optimizer = AdamW8bit(groups, lr=config.lr, betas=betas)
    return optimizer


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Return whether Muon applies to a parameter: a matrix that is neither embedding nor head."""
    return parameter.ndim == 2 and "wte" not in name and "lm_head" not in name


MOMENTS = ("exp_avg", "exp_avg_sq")


class ShardedOptimizer:
    """Counterpart of `MasterOptimizer` for several processes; the float32 weights are the model's own shards."""

    def __init__(self, model: nn.Module, config: OptimizerSection) -> None:
        if config.name != "adamw":
            raise TrainingError(
                f"optimizer.name is {config.name!r}, but several processes support only adamw; choose it."
            )
        self.config = config
        self.named = dict(model.named_parameters())
        matrices = [parameter for parameter in self.named.values() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.named.values() if parameter.ndim <= 1]
        self.optimizer = make_adamw(
            [
                {"params": matrices, "weight_decay": config.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            config,
        )

    def step(self, scale: float) -> float:
        """Update once at `scale` times the peak learning rate; return the gradient norm before clipping.

        A norm that is not finite changes nothing.
        """
        norm = float(_gather(nn.utils.clip_grad_norm_(self.named.values(), self.config.clip)))
        if math.isfinite(norm):
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.lr * scale
            self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def weights(self) -> dict[str, Tensor]:
        """Gather all float32 weights on the CPU; every process must call this at the same time."""
        return {name: _gather(parameter.detach()).cpu() for name, parameter in self.named.items()}

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Yield weights and moments by name, for saving; each is this process's part, as a DTensor."""
        for name, parameter in self.named.items():
            yield f"master.{name}", parameter.detach()
            for key, value in self.optimizer.state.get(parameter, {}).items():
                yield f"{key}.{name}", torch.as_tensor(value)

    def allocate(self, name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Allocate a tensor to read a saved one into: this process's part of a sharded one."""
        key, _, owner = name.partition(".")
        if key in ("master", *MOMENTS) and self.named[owner].shape == shape:
            return torch.zeros_like(self.named[owner].detach())
        return torch.zeros(shape, dtype=dtype)

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of `named_state`."""
        for name, parameter in self.named.items():
            parameter.copy_(state[f"master.{name}"])
            if f"step.{name}" in state:
                self.optimizer.state[parameter] = {
                    key: state[f"{key}.{name}"].clone() for key in ("step", *MOMENTS)
                }


def _gather(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


LEVELS = 15

NORM_FED_MATRICES = ("attn.qkv_proj.weight", "mlp.fc_in.weight")
"""Matrices rounded together with their norm's gain, since the export moves the gain into them."""


def round_int4(matrix: Tensor) -> Tensor:
    """Round a matrix to the nearest one whose blocks have 16 evenly spaced values, including zero.

    Args:
        matrix: float32 [outputs, inputs], inputs a multiple of `BLOCK_SIZE`.
    """
    blocks = matrix.view(matrix.shape[0], -1, BLOCK_SIZE)
    low = blocks.amin(-1, keepdim=True).clamp_max(0)
    span = blocks.amax(-1, keepdim=True).clamp_min(0) - low
    scale = torch.where(span > 0, span / LEVELS, torch.ones_like(span))
    zero = (-low / scale).round()
    levels = torch.minimum(torch.maximum((blocks / scale).round(), -zero), LEVELS - zero)
    return (levels * scale).view_as(matrix)


def round_matrix(name: str, masters: Mapping[str, Tensor]) -> Tensor:
    """Return a block's float32 matrix with the values that it will have in an int4 export.

    Args:
        name: name of the matrix.
        masters: all master weights by name.
    """
    matrix = masters[name]
    if not name.endswith(NORM_FED_MATRICES):
        return round_int4(matrix)
    block = name.rsplit(".", 3)[0]
    gain = masters[f"{block}.ln_1.weight"].abs()
    gain = torch.where(gain <= MIN_MOVED_GAIN_SHARE * gain.max(), torch.ones_like(gain), gain)
    return round_int4(matrix * gain) / gain
