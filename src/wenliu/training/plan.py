"""All steps of a fit, known before the first: they follow from lengths, settings and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from wenliu.training.batches import epoch_steps, padding_waste
from wenliu.training.settings import FitSettings


class Plan:
    """Which rows make which step.

    Args:
        lengths: Of the training rows, in tokens.
        settings: Say how rows make batches and batches make steps.
        packed: Whether the model computes no padding.
    """

    def __init__(self, lengths: np.ndarray, settings: FitSettings, packed: bool) -> None:
        self.lengths, self.settings, self.packed = lengths, settings, packed
        self.total_steps = sum(map(len, self))

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """The steps of every epoch in turn, as row numbers."""
        for epoch in range(self.settings.epochs):
            yield epoch_steps(self.lengths, self.settings, epoch, grouped=not self.packed)

    def largest_step(self) -> np.ndarray:
        """Of all epochs, the step with the most tokens, padded ones counted."""

        def tokens(rows: np.ndarray) -> int:
            lengths = self.lengths[rows]
            return int(lengths.sum() if self.packed else len(rows) * lengths.max())

        return max((rows for steps in self for rows in steps), key=tokens)

    def evaluated_after(self, steps: int) -> set[int]:
        """Step numbers, from 1, that end each equal part of an epoch of so many steps."""
        parts = self.settings.evaluations_per_epoch
        return {max(1, round(steps * part / parts)) for part in range(1, parts + 1)}

    def padding_waste(self, epochs: float) -> float:
        """Mean waste of the epochs that were begun; see ``batches.padding_waste``."""
        if self.packed:
            return 0.0
        begun = zip(range(math.ceil(epochs)), self, strict=False)
        return float(np.mean([padding_waste(self.lengths, steps) for _, steps in begun]))
