"""Processes that train one model together, started by `torchrun`."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from cg2_training.errors import TrainingError


@dataclass(frozen=True)
class Ranks:
    """Rank of one process among those that train together.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
        device: device of this process.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the shared files."""
        return self.rank == 0

    def agree(self, flag: bool) -> bool:
        """Return the first process's flag in all processes."""
        if self.world == 1:
            return flag
        shared = torch.tensor([flag], dtype=torch.int64, device=self.device)
        dist.broadcast(shared, src=0)
        return bool(shared.item())

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.world > 1:
            dist.barrier()


def join_processes() -> Ranks:
    """Join the other processes of torchrun's environment; without it, there is one process.

    NCCL connects GPUs, and gloo CPUs, on one machine or several.

    Raises:
        TrainingError: there are more processes than GPUs on this machine.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if not torch.cuda.is_available():
        device = torch.device("cpu")
    elif local < torch.cuda.device_count():
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    else:
        raise TrainingError(
            f"process {local} of this machine has no GPU, since there are {torch.cuda.device_count()};"
            " give torchrun that number as --nproc-per-node."
        )
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(rank, world, device)


def shard_model(model: nn.Module, blocks: nn.ModuleList, ranks: Ranks, dtype: torch.dtype) -> None:
    """Shard a model's float32 weights among the processes (FSDP2), block by block.

    Each block's weights are gathered in `dtype` when it computes; gradients are summed in float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(ranks.device.type, (ranks.world,))
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
