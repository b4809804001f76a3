"""AdamW over weights sharded among processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from cg2_training.errors import TrainingError
from cg2_training.optim.optimizer import make_adamw
from cg2_training.run.recipe import OptimizerSection

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
