"""What a fit has seen so far: counters, the losses read, and the points of its curves."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np


@dataclass
class Record:
    """Numbers of the loop, all of which a checkpoint holds.

    Attributes:
        step: Updates of the weights.
        epoch: Passes over the training rows.
        rows: Training rows that the updates were made of.
        train_seconds: Of updates, evaluations and checkpoints left out.
        seconds: Of everything, up to the last checkpoint.
        losses: Means read since the last point of the training curve, and the last one before.
        history: The points of all curves.
    """

    step: int = 0
    epoch: float = 0.0
    rows: int = 0
    train_seconds: float = 0.0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def start_clock(self) -> None:
        """Training time counts from now on."""
        self._clock = time.perf_counter()

    def read_loss(self, loss: float) -> None:
        """Takes a mean loss that is just read: whatever runs on the device is done now."""
        now = time.perf_counter()
        self.train_seconds, self._clock = self.train_seconds + now - self._clock, now
        self.losses.append(loss)

    def add(self, split: str, **values: float) -> None:
        """A point of the curves of this split."""
        row: dict[str, Any] = {"step": self.step, "epoch": round(self.epoch, 4), "split": split}
        if split == "train":
            row["loss"] = float(np.mean(self.losses))
            row["rows_per_second"] = self.rows_per_second
            self.losses = self.losses[-1:]
        self.history.append({**row, **values})

    @property
    def rows_per_second(self) -> float:
        """Of training."""
        return self.rows / self.train_seconds

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return asdict(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to what ``state`` gave."""
        for known in fields(self):
            setattr(self, known.name, state[known.name])
