"""The fine-tuning loop: plain PyTorch, one process, one device.

An epoch is a list of batches that depends on seed and epoch alone (``batches.py``), a step is one
or more batches and one update, and the best model so far lies complete on disk at any time.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from wenliu.errors import UserError
from wenliu.modeling.packed import as_classifier
from wenliu.progress import progress_bar
from wenliu.tasks import Task
from wenliu.training.batches import Rows, epoch_steps, padding_waste
from wenliu.training.best import BestModel
from wenliu.training.cuda_step import CudaStep
from wenliu.training.distributed import ALONE, World
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.prediction import BATCH_TOKENS, classifier_logits
from wenliu.training.settings import FitSettings
from wenliu.training.step import TrainStep

#: Rows of training loss in the history: a curve, not a log.
HISTORY_POINTS = 200
#: Steps between two looks at the loss where looking makes the device wait.
READ_EVERY = 20
#: Of a task's metrics, those with a curve; with the loss they may choose the best model.
_CURVES = ("macro_f1", "accuracy")


@dataclass
class FitResult:
    """What came of it.

    ``best`` is the folder of the best model; ``history`` has a row for every point of the curves;
    ``seconds`` and ``rows_per_second`` are of training, evaluations included and left out;
    ``micro_batches`` is into how many forward passes a step was cut in the end, and
    ``out_of_memory`` how often memory had run out by then.
    """

    best: Path
    best_epoch: float
    best_score: float
    epochs: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    packed: bool = True
    padding_waste: float = 0.0
    micro_batches: int = 1
    out_of_memory: int = 0
    stopped_early: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    model: PreTrainedModel,
    task: Task,
    training: Rows,
    validation: Rows,
    settings: FitSettings,
    workspace: Path,
    device: torch.device,
    world: World = ALONE,
) -> FitResult:
    """Trains a classifier and keeps the best one.

    Args:
        model: From ``build_model``; it is trained in place and ends as the last step left it.
        task: Says which loss is minimised and which metrics count.
        training: Rows to learn from.
        validation: Rows that choose the best model and stop the run.
        settings: See ``FitSettings``.
        workspace: Folder for the best model.
        device: Where to train.
        world: The processes that call this together, each with the same arguments but ``device``;
            the first of them writes.

    Raises:
        UserError: If the loss stops being a number, or there is nothing to train or validate on.
    """
    for name, rows in (("training", training), ("validation", validation)):
        if not len(rows):
            raise UserError(
                f"There are no {name} rows.",
                where="finetuning",
                remedy="Look at the splitting and audit reports.",
            )
    return _Fit(model, task, training, validation, settings, workspace, device, world).run()


class _Fit:
    """One run of the loop: what has to live from step to step."""

    def __init__(
        self,
        model: PreTrainedModel,
        task: Task,
        training: Rows,
        validation: Rows,
        settings: FitSettings,
        workspace: Path,
        device: torch.device,
        world: World,
    ) -> None:
        self.task, self.loss_of = task, LOSSES[task.loss]
        torch.nn.Module.to(model, device)  # in place; transformers' own is typed oddly
        self.classifier = as_classifier(model, device)
        self.training, self.validation = training, validation
        self.settings, self.device, self.world = settings, device, world
        self.n_labels = len(model.config.id2label or {})
        self.total_steps = sum(len(self._plan(epoch)) for epoch in range(settings.epochs))
        objective = Objective(self.loss_of, training.labels, self.n_labels, settings, device)
        one_gpu = device.type == "cuda" and world.size == 1 and self.classifier.packed
        graphs = one_gpu and settings.cuda_graphs == "auto"
        self.take_step = (CudaStep if graphs else TrainStep)(
            self.classifier, training, objective, settings, device, self.total_steps, world
        )
        self.best = BestModel(
            workspace, model, smaller_is_better=settings.metric == "loss", writes=world.writes
        )
        self.history: list[dict[str, Any]] = []
        self.wastes: list[float] = []
        self.step, self.epoch = 0, 0.0
        self.rows_seen = 0
        self.train_seconds = 0.0
        self.clock = 0.0
        self.losses: list[float] = []
        self.shown_score = ""
        self.record_every = max(1, self.total_steps // HISTORY_POINTS)
        # A GPU would have to finish its step before the next is even sent.
        self.read_every = 1 if device.type == "cpu" else min(self.record_every, READ_EVERY)

    def run(self) -> FitResult:
        """All epochs, or fewer when the metric stops improving."""
        _make_deterministic(self.settings.seed + self.world.rank, self.device)
        begun = time.perf_counter()
        self.take_step.probe(self._largest_step())
        rows = self.settings.epochs * len(self.training)
        with progress_bar(rows, "training") as bar:
            for epoch in range(self.settings.epochs):
                self._run_epoch(epoch, bar)
                if self.best.evaluations_since >= self.settings.patience:
                    break
        if self.best.folder is None:
            raise RuntimeError("no evaluation took place")
        return FitResult(
            best=self.best.folder,
            best_epoch=self.best.epoch,
            best_score=self.best.score,
            epochs=self.epoch,
            steps=self.step,
            seconds=time.perf_counter() - begun,
            rows_per_second=self.rows_seen / self.train_seconds,
            packed=self.classifier.packed,
            padding_waste=float(np.mean(self.wastes)),
            micro_batches=self.take_step.micro_batches.parts,
            out_of_memory=self.take_step.micro_batches.halvings,
            stopped_early=self.step < self.total_steps,
            history=self.history,
        )

    def _plan(self, epoch: int) -> list[np.ndarray]:
        """Rows of every step of an epoch."""
        lengths, grouped = self.training.lengths, not self.classifier.packed
        return epoch_steps(lengths, self.settings, epoch, grouped)

    def _largest_step(self) -> np.ndarray:
        """Of all epochs, the step with the most tokens, padded ones counted."""
        lengths, packed = self.training.lengths, self.classifier.packed

        def tokens(rows: np.ndarray) -> int:
            return int(lengths[rows].sum() if packed else len(rows) * lengths[rows].max())

        steps = [rows for epoch in range(self.settings.epochs) for rows in self._plan(epoch)]
        return max(steps, key=tokens)

    def _run_epoch(self, epoch: int, bar: Any) -> None:
        steps = self._plan(epoch)
        packed = self.classifier.packed
        self.wastes.append(0.0 if packed else padding_waste(self.training.lengths, steps))
        evaluate_at = _evenly(len(steps), self.settings.evaluations_per_epoch)
        self.clock = time.perf_counter()
        for number, rows in enumerate(steps, 1):
            rate = self.take_step.learning_rate if self._records(self.step + 1) else 0.0
            self.take_step(rows, epoch)
            self.step, self.epoch = self.step + 1, epoch + number / len(steps)
            self.rows_seen += len(rows)
            if self.step % self.read_every == 0 or number in evaluate_at:
                self._read_loss()
            if self._records(self.step):
                self._record("train", learning_rate=rate)
            self._show(bar)
            bar.update(len(rows))
            if number in evaluate_at:
                score = self._evaluate()
                self.shown_score = (
                    f", {self.settings.metric} {score:.3f} (best {self.best.score:.3f})"
                )
                self._show(bar)
                self.clock = time.perf_counter()
                if self.best.evaluations_since >= self.settings.patience:
                    return

    def _show(self, bar: Any) -> None:
        """Sets what stands beside the bar's rows per second, at no cost for the device."""
        if self.losses:
            bar.set_postfix_str(f"loss {self.losses[-1]:.3f}{self.shown_score}", refresh=False)

    def _records(self, step: int) -> bool:
        return step % self.record_every == 0

    def _read_loss(self) -> None:
        """Reads the mean loss since the last time; whatever runs on the device is done then.

        Raises:
            UserError: If it is not a number.
        """
        loss = self.take_step.read_loss()
        now = time.perf_counter()
        self.train_seconds, self.clock = self.train_seconds + now - self.clock, now
        if not np.isfinite(loss):
            raise UserError(
                f"The training loss became {loss} at step {self.step} of {self.total_steps}.",
                where="finetuning",
                remedy="Try a smaller finetuning.learning_rate, or finetuning.precision=fp32.",
            )
        self.losses.append(loss)

    def _evaluate(self) -> float:
        mine = self.world.share(np.argsort(self.validation.lengths, kind="stable"))
        rows = self.validation.take(mine)
        # A GPU's fp32 would cost a multiple of the steps' bf16, to choose among epochs.
        with self.take_step.autocast() if self.device.type == "cuda" else nullcontext():
            part = classifier_logits(self.classifier, rows, self.n_labels, BATCH_TOKENS)
        logits = self.world.gather(part, mine, len(self.validation))
        gold = self.validation.labels.astype(np.int64)
        metrics = self.task.metrics(gold, logits, self.n_labels)
        scores = {
            "loss": float(self.loss_of(torch.from_numpy(logits), torch.from_numpy(gold))),
            **{name: metrics[name] for name in _CURVES},
        }
        self._record("validation", **scores)
        [score] = self.world.agree([scores[self.settings.metric]])
        self.best.offer(score, self.step, self.epoch)
        return score

    def _record(self, split: str, **values: float) -> None:
        row: dict[str, Any] = {"step": self.step, "epoch": round(self.epoch, 4), "split": split}
        if split == "train":
            row["loss"] = float(np.mean(self.losses))
            row["rows_per_second"] = self.rows_seen / self.train_seconds
            self.losses = self.losses[-1:]
        self.history.append({**row, **values})


def _evenly(steps: int, parts: int) -> set[int]:
    """Step numbers, from 1, that end each of ``parts`` equal parts of an epoch."""
    return {max(1, round(steps * part / parts)) for part in range(1, parts + 1)}


def _make_deterministic(seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        # It would also write NaN into all fresh memory, step after step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
