"""The best model so far, complete on disk at any moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from wenliu.disk import write_folder
from wenliu.modeling.network import save_model
from wenliu.training.failures import writing


class BestModel:
    """Keeps the model with the best score in ``workspace/best-<step>``.

    A new best is complete on the disk before anything refers to it, and one that a checkpoint
    refers to stays until ``forget`` is told that none does. Of several processes one ``writes``;
    the others only keep score.
    """

    def __init__(
        self, workspace: Path, model: PreTrainedModel, smaller_is_better: bool, writes: bool = True
    ) -> None:
        self.workspace, self.model = workspace, model
        self.sign = -1.0 if smaller_is_better else 1.0
        self.folder: Path | None = None
        self.score = float("nan")
        self.epoch = 0.0
        self.evaluations_since = 0
        self.writes = writes
        workspace.mkdir(parents=True, exist_ok=True)

    def offer(self, score: float, step: int, epoch: float) -> bool:
        """Saves the model if its score is the best so far; ties keep the earlier one.

        Raises:
            UserError: The disk is full, or fails.
        """
        if self.folder is not None and self.sign * score <= self.sign * self.score:
            self.evaluations_since += 1
            return False
        self.score, self.epoch, self.evaluations_since = score, epoch, 0
        self.folder = self.workspace / f"best-{step:08d}"
        if self.writes:
            with writing("The best model so far", self.workspace):
                write_folder(self.folder, lambda folder: save_model(self.model, folder))
        return True

    def forget(self, needed: Iterable[str]) -> None:
        """Deletes the models that are neither the best nor among those ``needed``, by name.

        Those that were not written to their end go too.
        """
        kept = {*needed, self.folder.name if self.folder else ""}
        for older in [*self.workspace.glob("best-*"), *self.workspace.glob(".best-*.partial")]:
            if self.writes and older.name not in kept:
                shutil.rmtree(older)

    def state(self) -> dict[str, Any] | None:
        """What a checkpoint holds of it; None before the first evaluation."""
        if self.folder is None:
            return None
        return {
            "folder": self.folder.name,
            "score": self.score,
            "epoch": self.epoch,
            "evaluations_since": self.evaluations_since,
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Goes back to what ``state`` gave."""
        if state is not None:
            self.folder = self.workspace / state["folder"]
            self.score, self.epoch = state["score"], state["epoch"]
            self.evaluations_since = state["evaluations_since"]
