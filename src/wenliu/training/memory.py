"""Out of memory is no reason to stop: the same step in smaller pieces."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch

from wenliu.errors import UserError

#: A 32nd of the batch: a model that does not fit then will not fit.
MOST_HALVINGS = 5


@dataclass
class MicroBatches:
    """Into how many forward passes a step is cut.

    Attributes:
        parts: At first ``accumulation``; doubled whenever memory runs out.
        halvings: How often that was.
    """

    parts: int
    halvings: int = 0

    def halve(self, rows: int) -> None:
        """Cuts steps into twice as many micro-batches.

        Args:
            rows: Of the step that did not fit.

        Raises:
            UserError: If that was done five times, or a single row does not fit.
        """
        if self.halvings == MOST_HALVINGS or self.parts >= rows:
            raise UserError(
                f"Out of memory with {rows} rows in {self.parts} micro-batches.",
                where="finetuning",
                remedy="Try a smaller tokenization.max_length, a smaller model, or bf16.",
            )
        self.parts, self.halvings = 2 * self.parts, self.halvings + 1
        logging.getLogger(__name__).warning(
            "Out of memory: a step is now %d micro-batches instead of %d; its rows and its "
            "gradient stay the same.",
            self.parts,
            self.parts // 2,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release_memory() -> None:
    """Gives cached blocks back: what was cut for large batches does not fit small ones."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class RandomState:
    """The random state of the CPU and of the device, to go back to."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def restore(self) -> None:
        """As if nothing had been drawn since."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)
