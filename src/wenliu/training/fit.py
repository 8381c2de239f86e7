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
from transformers.models.bert import BertForSequenceClassification

from wenliu.errors import UserError
from wenliu.progress import progress_bar
from wenliu.tasks import Task
from wenliu.training.batches import (
    Rows,
    collate,
    hide_tokens,
    padding_waste,
    training_batches,
)
from wenliu.training.best import BestModel
from wenliu.training.optimization import (
    LOSSES,
    balanced_weights,
    build_optimizer,
    linear_schedule,
)
from wenliu.training.prediction import BATCH_TOKENS, model_logits
from wenliu.training.settings import FitSettings

#: Rows of training loss in the history: a curve, not a log.
HISTORY_POINTS = 200
#: Of a task's metrics, those with a curve; with the loss they may choose the best model.
_CURVES = ("macro_f1", "accuracy")


@dataclass
class FitResult:
    """What came of it.

    ``best`` is the folder of the best model; ``history`` has a row for every point of the curves;
    ``seconds`` and ``rows_per_second`` are of training, evaluations included and left out.
    """

    best: Path
    best_epoch: float
    best_score: float
    epochs: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    padding_waste: float = 0.0
    stopped_early: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


def fit(
    model: BertForSequenceClassification,
    task: Task,
    training: Rows,
    validation: Rows,
    settings: FitSettings,
    workspace: Path,
    device: torch.device,
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
    return _Fit(model, task, training, validation, settings, workspace, device).run()


class _Fit:
    """One run of the loop: what has to live from step to step."""

    def __init__(
        self,
        model: BertForSequenceClassification,
        task: Task,
        training: Rows,
        validation: Rows,
        settings: FitSettings,
        workspace: Path,
        device: torch.device,
    ) -> None:
        self.model, self.task = model, task
        self.loss_of = LOSSES[task.loss]
        torch.nn.Module.to(model, device)  # in place; transformers' own is typed oddly
        self.training, self.validation = training, validation
        self.settings, self.device = settings, device
        rows_of_step = settings.batch_size * settings.accumulation
        self.steps_of_epoch = -(-len(training) // rows_of_step)
        self.total_steps = settings.epochs * self.steps_of_epoch
        self.optimizer = build_optimizer(
            model, settings.learning_rate, settings.weight_decay, settings.layer_decay
        )
        self.schedule = linear_schedule(self.optimizer, self.total_steps, settings.warmup)
        self.n_labels = len(model.config.id2label or {})
        labels = torch.from_numpy(training.labels.astype(np.int64))
        self.class_weights = (
            balanced_weights(labels, self.n_labels).to(device)
            if settings.class_weights == "balanced"
            else None
        )
        self.best = BestModel(workspace, model, smaller_is_better=settings.metric == "loss")
        self.history: list[dict[str, Any]] = []
        self.wastes: list[float] = []
        self.step = 0
        self.rows_seen = 0
        self.train_seconds = 0.0
        self.pending: torch.Tensor | None = None  # loss of the step before, still on the device
        self.losses: list[float] = []
        self.shown_score = ""

    def run(self) -> FitResult:
        """All epochs, or fewer when the metric stops improving."""
        _make_deterministic(self.settings.seed, self.device)
        begun = time.perf_counter()
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
            epochs=self.step / self.steps_of_epoch,
            steps=self.step,
            seconds=time.perf_counter() - begun,
            rows_per_second=self.rows_seen / self.train_seconds,
            padding_waste=float(np.mean(self.wastes)),
            stopped_early=self.step < self.total_steps,
            history=self.history,
        )

    def _run_epoch(self, epoch: int, bar: Any) -> None:
        settings = self.settings
        batches = training_batches(self.training.lengths, settings.batch_size, settings.seed, epoch)
        self.wastes.append(padding_waste(self.training.lengths, batches))
        evaluate_at = _evenly(self.steps_of_epoch, settings.evaluations_per_epoch)
        for number in range(self.steps_of_epoch):
            begin = number * settings.accumulation
            rows = self._train_step(batches[begin : begin + settings.accumulation])
            self._show(bar)
            bar.update(rows)
            if number + 1 in evaluate_at:
                score = self._evaluate()
                self.shown_score = f", {settings.metric} {score:.3f} (best {self.best.score:.3f})"
                self._show(bar)
                if self.best.evaluations_since >= settings.patience:
                    return

    def _show(self, bar: Any) -> None:
        """Sets what stands beside the bar's rows per second, at no cost for the device."""
        if self.losses:
            bar.set_postfix_str(f"loss {self.losses[-1]:.3f}{self.shown_score}", refresh=False)

    def _train_step(self, batches: list[np.ndarray]) -> int:
        """One update from one or more batches; the gradient is that of all their rows at once."""
        begun = time.perf_counter()
        self.model.train()
        labels = [self.training.labels[batch].astype(np.int64) for batch in batches]
        weight = sum(self._weight(torch.from_numpy(part)) for part in labels)
        total = torch.zeros((), device=self.device)
        for batch, gold in zip(batches, labels, strict=True):
            loss = self._loss(batch, torch.from_numpy(gold)) / weight
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_gradient_norm)
        rate = float(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        # Read one step late, so that a GPU is not made to wait for its own last kernel.
        self._check_loss()
        self.pending = total
        self.step += 1
        rows = sum(len(batch) for batch in batches)
        self.rows_seen += rows
        self.train_seconds += time.perf_counter() - begun
        if self.step % max(1, self.total_steps // HISTORY_POINTS) == 0:
            self._record("train", learning_rate=rate)
        return rows

    def _loss(self, batch: np.ndarray, gold: torch.Tensor) -> torch.Tensor:
        """Summed loss of a batch."""
        inputs = collate(self.training, batch, self.model.config.pad_token_id or 0)
        if self.settings.token_dropout:
            hide_tokens(inputs["attention_mask"], self.settings.token_dropout)
        inputs = {k: v.to(self.device, non_blocking=True) for k, v in inputs.items()}
        with self._autocast():
            logits = self.model(**inputs).logits
        return self.loss_of(
            logits.float(),
            gold.to(self.device),
            weight=self.class_weights,
            label_smoothing=self.settings.label_smoothing,
            reduction="sum",
        )

    def _weight(self, gold: torch.Tensor) -> float:
        if self.class_weights is None:
            return float(len(gold))
        return float(self.class_weights.cpu()[gold].sum())

    def _autocast(self) -> Any:
        if self.settings.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _check_loss(self) -> None:
        """Reads the loss of the step before.

        Raises:
            UserError: If it is not a number.
        """
        if self.pending is None:
            return
        loss = float(self.pending)
        if not np.isfinite(loss):
            raise UserError(
                f"The training loss became {loss} at step {self.step} of {self.total_steps}.",
                where="finetuning",
                remedy="Try a smaller finetuning.learning_rate, or finetuning.precision=fp32.",
            )
        self.losses.append(loss)

    def _evaluate(self) -> float:
        self._check_loss()
        self.pending = None
        logits = model_logits(self.model, self.validation, BATCH_TOKENS)
        gold = self.validation.labels.astype(np.int64)
        metrics = self.task.metrics(gold, logits, self.n_labels)
        scores = {
            "loss": float(self.loss_of(torch.from_numpy(logits), torch.from_numpy(gold))),
            **{name: metrics[name] for name in _CURVES},
        }
        self._record("validation", **scores)
        score = scores[self.settings.metric]
        self.best.offer(score, self.step, self.step / self.steps_of_epoch)
        return score

    def _record(self, split: str, **values: float) -> None:
        row: dict[str, Any] = {
            "step": self.step,
            "epoch": round(self.step / self.steps_of_epoch, 4),
            "split": split,
        }
        if split == "train":
            if not self.losses:
                return
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
