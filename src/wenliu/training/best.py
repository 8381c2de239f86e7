"""The best model so far, complete on disk at any moment."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import PreTrainedModel

from wenliu.disk import fsync
from wenliu.modeling.network import save_model


class BestModel:
    """Keeps the model with the best score in ``workspace/best-<step>``.

    A new best is written beside, flushed to the disk and renamed; only then is the one before
    removed. Whoever looks finds at least one complete folder, whenever the power fails. Of several
    processes one ``writes``; the others only keep score.
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
        """Saves the model if its score is the best so far; ties keep the earlier one."""
        if self.folder is not None and self.sign * score <= self.sign * self.score:
            self.evaluations_since += 1
            return False
        self.score, self.epoch, self.evaluations_since = score, epoch, 0
        self.folder = self.workspace / f"best-{step:08d}"
        if self.writes:
            self._save(self.folder, step)
        return True

    def _save(self, final: Path, step: int) -> None:
        partial = self.workspace / f".partial-{step}"
        shutil.rmtree(partial, ignore_errors=True)
        save_model(self.model, partial)
        for path in [*partial.iterdir(), partial]:
            fsync(path)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        fsync(self.workspace)
        for older in self.workspace.glob("best-*"):
            if older != final:
                shutil.rmtree(older)
