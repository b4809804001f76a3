"""AdamW or Muon over float32 master weights, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cg2_training.errors import TrainingError
from cg2_training.model.rounded_weights import round_matrix
from cg2_training.optim.muon import Muon
from cg2_training.run.recipe import OptimizerSection
from cg2ls.privacy import hub_kernels_refused


def lr_scale(step: int, steps: int, config: OptimizerSection) -> float:
    """Learning rate over its peak at a step (counted from 0) of `steps`.

    Linear warm-up, then a cosine with a constant tail or a constant with a linear decay ("wsd", Hu et al. 2024,
    arXiv 2404.06395), both ending at `final_lr_ratio`. Where a decay begins before the warm-up is over, the lower rate
    of the two counts.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    low = config.final_lr_ratio
    if config.schedule == "cosine":
        annealed = steps * (1 - config.tail_share) - config.warmup_steps
        done = max(0, step - config.warmup_steps) / max(1, annealed)
        return min(warm, low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
    decay_steps = max(1, round(steps * config.decay_share))
    left = max(0, steps - step)
    return min(warm, low + (1 - low) * min(1.0, left / decay_steps))


class MasterOptimizer:
    """Optimizes a model's parameters in float32: copies of them where the model computes with others.

    Attributes:
        rounding: whether the model computes with hidden matrices rounded as int4 rounds them.
    """

    def __init__(
        self, model: nn.Module, config: OptimizerSection, dtype: torch.dtype, *, may_round: bool = False
    ) -> None:
        """Prepare.

        Args:
            model: float32.
            config: which optimizer, and its settings.
            dtype: what Muon multiplies in.
            may_round: whether `round_weights` will be asked for.
        """
        self.config = config
        self.rounding = False
        self.names = [name for name, _ in model.named_parameters()]
        self.working = [parameter for _, parameter in model.named_parameters()]
        # Of a float32 model these are the parameters themselves, and publishing them is no work.
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
            muon = [p for p, h in zip(self.master, hidden, strict=True) if h]
            self.optimizers.append(Muon(muon, config.muon_lr, weight_decay=config.weight_decay, dtype=dtype))
        self.peaks = [config.lr, config.muon_lr]

    def step(self, scale: float) -> float:
        """One update at `scale` times the peak learning rate; returns the gradient norm before clipping.

        Gradients are taken from the model and cleared. Nothing is changed if the norm is not finite.
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
        """Give the masters the model's gradients, in float32, and clears them there."""
        given = [working.grad for working in self.working if working.grad is not None]
        assert len(given) == len(self.working)
        if given[0].dtype != torch.float32:
            rounded = given
            given = [torch.empty_like(master) for master in self.master]
            torch._foreach_copy_(given, rounded)
        for master, working, gradient in zip(self.master, self.working, given, strict=True):
            master.grad, working.grad = gradient, None

    def round_weights(self, wanted: bool) -> None:
        """Tell whether the model is to compute with rounded matrices from now on (see `model.rounded_weights`)."""
        if wanted != self.rounding:
            self.rounding = wanted
            self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Copy the master weights into the model, rounded if that was asked for."""
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
        """Return the weights by name, float32 on the processor: the masters, rounded where the model computes so."""
        return {name: computed.cpu() for name, computed in self._computed()}

    def _computed(self) -> Iterator[tuple[str, Tensor]]:
        """What the model computes with, by name: the masters themselves, or what they are rounded to."""
        masters = dict(zip(self.names, self.master, strict=True))
        for name, master in masters.items():
            rounds = self.rounding and is_hidden_matrix(name, master)
            yield name, round_matrix(name, masters) if rounds else master

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Master weights and moments by name, for saving."""
        for name, master in zip(self.names, self.master, strict=True):
            yield f"master.{name}", master
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(master, {}).items():
                    shared = key.startswith("qmap")  # one table of bitsandbytes for all parameters
                    yield f"{key}.{name}", value.clone() if shared else torch.as_tensor(value)

    def allocate(self, _name: str, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Return a tensor to read a saved one into."""
        return torch.zeros(shape, dtype=dtype)

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `named_state` gave, and the model from it."""
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
            if "state1" in moments:  # bitsandbytes counts steps in a plain number
                moments["step"] = int(moments["step"])
            if moments:
                owners[id(master)].state[master] = moments
        self.publish()


def make_adamw(groups: list[dict[str, Any]], config: OptimizerSection) -> torch.optim.Optimizer:
    """AdamW with moments in 32 bits, or in 8 (Dettmers et al. 2022, arXiv 2110.02861) where memory is short."""
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
    """Tell whether Muon is meant for this parameter: a matrix that is neither embedding nor head."""
    return parameter.ndim == 2 and "wte" not in name and "lm_head" not in name
