"""The processes that train one model together: what each takes, and where they agree.

N processes do what one does: an update has the same rows, each process takes its share of them, and
their gradients add up. Only what dropout hides differs: every process draws its own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class World:
    """One of ``size`` processes; alone by default, which needs no process group.

    Whatever says "on every process" must be called on every one, or the others wait for it.

    Attributes:
        rank: Of this process, from 0; over all nodes.
        size: Number of processes on all nodes.
        device: Of this process; what it sends lies there (NCCL sends from GPUs, Gloo from CPUs).
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this process writes the files: the first does."""
        return self.rank == 0

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This process's part of rows that are sorted by length; none where rows are few.

        Dealt out in turn, so that the tokens of two parts differ by little more than the longest
        row: an update takes as long as its slowest process.
        """
        return rows[self.rank :: self.size]

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sums over all processes, in place; on every process, on ``device``."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def gather(self, part: np.ndarray, rows: np.ndarray, total_rows: int) -> np.ndarray:
        """All rows, of which this process computed ``part``; on every process.

        Args:
            part: float32 of shape (rows of this process, columns).
            rows: Their positions among all.
            total_rows: Of all processes.

        Returns:
            float32 of shape (total_rows, columns): bit for bit what was computed, since every
            other process adds zeros.
        """
        whole = np.zeros((total_rows, part.shape[1]), dtype=np.float32)
        whole[rows] = part
        if self.size == 1:
            return whole
        return self.total(torch.from_numpy(whole).to(self.device)).cpu().numpy()

    def agree(self, values: Sequence[float]) -> list[float]:
        """The first process's values; on every process.

        A decision by numbers that each computed itself could differ in the last bit between two
        kinds of processor, and then one would stop while the others wait for it.
        """
        if self.size == 1:
            return list(values)
        sent = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(sent, src=0)
        return sent.tolist()

    def send(self, tensor: torch.Tensor) -> None:
        """The first process's values take the place of all others'; on every process."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)

    def send_text(self, text: str) -> str:
        """The first process's text; on every process, whatever the others give."""
        if self.size == 1:
            return text
        content = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        length = torch.tensor(len(content), device=self.device)
        self.send(length)
        content = content.resize_(int(length))
        self.send(content)
        return bytes(content.tolist()).decode()

    def stack(self, part: torch.Tensor) -> torch.Tensor:
        """One row of every process's values, on the host; on every process.

        Args:
            part: Of shape (values,), as many on every process.
        """
        if self.size == 1:
            return part[None]
        mine = part.to(self.device)
        rows = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(rows, mine)
        return torch.stack(rows).cpu()

    def deal(self, rows: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        """This process's row of what ``stack`` gave, on the host; on every process.

        Args:
            rows: Needed on the first process only.
            like: What such a row looks like.
        """
        if self.size == 1:
            assert rows is not None
            return rows[0].clone()
        sent = torch.empty((self.size, *like.shape), dtype=like.dtype, device=self.device)
        if self.rank == 0 and rows is not None:
            sent.copy_(rows)
        self.send(sent)
        # A tensor of its own: torch.set_rng_state of a row within others is a segmentation fault.
        return sent[self.rank].cpu().clone()

    def any(self, flag: bool) -> bool:
        """Whether any process says so; on every process."""
        return bool(self.total(torch.tensor(float(flag), device=self.device)) > 0)

    def replicate(self, model: torch.nn.Module) -> torch.nn.Module:
        """The module to call in training; its backward pass averages gradients over processes.

        The average is of all processes, whatever they computed it from: for the gradient of a
        mean over all rows, each multiplies its *sum* by ``size`` over the weight of all rows.
        """
        if self.size == 1:
            return model
        with warnings.catch_warnings():
            # torch 2.13 renames broadcast_buffers; 2.11 does not know the new name.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(
                model,
                broadcast_buffers=False,  # BERT's are position numbers
                gradient_as_bucket_view=True,  # saves a copy of all gradients
            )

    def accumulating(self, module: torch.nn.Module, last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged in the last backward pass of an update only."""
        if last or not isinstance(module, DistributedDataParallel):
            return nullcontext()
        return module.no_sync()


#: One process, as most fits are.
ALONE = World()


@contextmanager
def join_world(device_type: str) -> Iterator[World]:
    """Joins the processes that torchrun started, by its environment variables.

    Args:
        device_type: ``cuda``, where each process takes the GPU of its number on the node, or
            ``cpu``.
    """
    if device_type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    else:
        device = torch.device(device_type)
        dist.init_process_group("gloo")
    # After an error the process ends with its group: taking leave could wait for the others.
    yield World(dist.get_rank(), dist.get_world_size(), device)
    dist.barrier()  # nobody closes its connections before all are done
    dist.destroy_process_group()
