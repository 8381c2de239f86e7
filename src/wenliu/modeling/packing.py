"""A batch without padding: sequences laid end to end, and where each begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from wenliu.modeling.blocks import Block, cut_blocks

#: Label of a sequence that only fills a static shape: what cross entropy ignores by default.
IGNORED = -100


@dataclass(frozen=True)
class Packed:
    """Sequences laid end to end, all in one int32 tensor, so that a copy to a device is one copy.

    Attributes:
        buffer: int32 of shape (2 tokens + 2 sequences + 1,): token ids, positions, offsets, labels.
        tokens: Of all sequences.
        sequences: How many.
        lengths: Tokens of every sequence, on the host; positions may have gaps, tokens have none.
        longest: No sequence has more tokens. A static shape fixes it for all its batches.
        width: One more than the largest position: what a padded batch would be wide.
    """

    buffer: torch.Tensor
    tokens: int
    sequences: int
    lengths: np.ndarray
    longest: int
    width: int

    @classmethod
    def of(
        cls, token_ids: np.ndarray, positions: np.ndarray, lengths: np.ndarray, labels: np.ndarray
    ) -> Packed:
        """From flat token ids, their positions (from 0 in each sequence), lengths and labels."""
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        buffer = np.concatenate([token_ids, positions, offsets, labels], dtype=np.int32)
        return cls(
            torch.from_numpy(buffer),
            len(token_ids),
            len(lengths),
            lengths,
            int(lengths.max()),
            int(positions.max()) + 1,
        )

    @property
    def token_ids(self) -> torch.Tensor:
        """int32 of shape (tokens,)."""
        return self.buffer[: self.tokens]

    @property
    def positions(self) -> torch.Tensor:
        """int32 of shape (tokens,), from 0 in each sequence."""
        return self.buffer[self.tokens : 2 * self.tokens]

    @property
    def offsets(self) -> torch.Tensor:
        """Where sequences begin, then where the last ends: int32 of shape (sequences + 1,)."""
        return self.buffer[2 * self.tokens : 2 * self.tokens + self.sequences + 1]

    @property
    def labels(self) -> torch.Tensor:
        """Label ids, int64 of shape (sequences,); ``IGNORED`` for one that is no row."""
        return self.buffer[2 * self.tokens + self.sequences + 1 :].long()

    @property
    def first(self) -> torch.Tensor:
        """Where the first token of each sequence stands; an empty one names any token."""
        return self.offsets[:-1].clamp(max=self.tokens - 1)

    @cached_property
    def blocks(self) -> list[Block]:
        """The runs of sequences that CPU attention takes together."""
        return cut_blocks(self.lengths)

    def to(self, device: torch.device) -> Packed:
        """The batch on a device: one copy, from pinned memory where there is a GPU."""
        if device.type == "cpu":
            return self
        buffer = self.buffer.pin_memory() if device.type == "cuda" else self.buffer
        return replace(self, buffer=buffer.to(device, non_blocking=True))

    def filled(self, tokens: int, sequences: int, longest: int) -> Packed:
        """The same batch in a static shape, the rest filled with dummies that nothing learns from.

        Kernels leave what belongs to no sequence unwritten, and 0 x NaN is NaN in a weight's
        gradient: so the missing sequences, labelled ``IGNORED``, share all dummy tokens evenly.
        Each has one at least: PyTorch promises its fused attention for no empty sequence.

        Raises:
            ValueError: If the batch does not fit.
        """
        spare = tokens - self.tokens
        missing = sequences - self.sequences
        if not 0 <= missing <= spare <= missing * longest or self.longest > longest:
            raise ValueError(
                f"{self.tokens} tokens in {self.sequences} sequences of at most {self.longest} "
                f"do not fit {tokens} tokens in {sequences} sequences of at most {longest}"
            )
        dummies = (np.arange(missing) + spare) // missing if missing else np.arange(0)
        positions = [np.arange(length) for length in dummies]
        filled = Packed.of(
            np.concatenate([self.token_ids.numpy(), np.zeros(spare, np.int32)]),
            np.concatenate([self.positions.numpy(), *positions]),
            np.concatenate([self.lengths, dummies]),
            np.concatenate([self.labels.numpy(), np.full(missing, IGNORED)]),
        )
        return replace(filled, longest=longest, width=max(filled.width, longest))
