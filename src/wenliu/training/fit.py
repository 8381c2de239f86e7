"""The fine-tuning loop: plain PyTorch, one process, one device.

An epoch is a list of batches that depends on seed and epoch alone (``batches.py``), a step is one
or more batches and one update, and the best model so far lies complete on disk at any time. So do
the two newest checkpoints: a run that was killed goes on from there to what it would have become.
"""

from __future__ import annotations

import logging
import time
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
from wenliu.training.batches import Rows
from wenliu.training.best import BestModel
from wenliu.training.cuda_step import CudaStep
from wenliu.training.distributed import ALONE, World
from wenliu.training.identity import identity_of
from wenliu.training.interruption import Interruption
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.plan import Plan
from wenliu.training.record import Record
from wenliu.training.saving import Saver
from wenliu.training.settings import FitSettings
from wenliu.training.step import TrainStep
from wenliu.training.validation import Validator

#: Rows of training loss in the history: a curve, not a log.
HISTORY_POINTS = 200
#: Steps between two looks at the loss where looking makes the device wait.
READ_EVERY = 20


@dataclass
class FitResult:
    """What came of it.

    ``best`` is the folder of the best model; ``history`` has a row for every point of the curves;
    ``seconds`` and ``rows_per_second`` are of training, evaluations included and left out;
    ``micro_batches`` is into how many forward passes a step was cut in the end, and
    ``out_of_memory`` how often memory had run out by then; ``resumed_from`` is the step of the
    checkpoint that this run went on from. All but that is as if there had been one run.
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
    resumed_from: int | None = None
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
        workspace: Folder for the best model and for checkpoints. If it holds one of this very fit,
            training goes on from there.
        device: Where to train.
        world: The processes that call this together, each with the same arguments but ``device``;
            the first of them writes.

    Raises:
        UserError: If the loss stops being a number, or there is nothing to train or validate on.
        SystemExit: On SIGTERM and Ctrl-C, after the step and a checkpoint.
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
        self.training, self.settings, self.device, self.world = training, settings, device, world
        identity = ""
        if world.writes:
            identity = identity_of(model, task, training, validation, settings, device, world)
        torch.nn.Module.to(model, device)  # in place; transformers' own is typed oddly
        self.classifier = as_classifier(model, device)
        self.plan = Plan(training.lengths, settings, self.classifier.packed)
        n_labels = len(model.config.id2label or {})
        loss_of = LOSSES[task.loss]
        self.validator = Validator(self.classifier, task, validation, loss_of, n_labels, world)
        objective = Objective(loss_of, training.labels, n_labels, settings, device)
        one_gpu = device.type == "cuda" and world.size == 1 and self.classifier.packed
        graphs = one_gpu and settings.cuda_graphs == "auto"
        self.take_step = (CudaStep if graphs else TrainStep)(
            self.classifier, training, objective, settings, device, self.plan.total_steps, world
        )
        self.best = BestModel(
            workspace, model, smaller_is_better=settings.metric == "loss", writes=world.writes
        )
        self.record = Record()
        self.saver = Saver(
            self.take_step, self.record, self.best, workspace, identity, settings.checkpoint_minutes
        )
        self.shown_score = ""
        self.record_every = max(1, self.plan.total_steps // HISTORY_POINTS)
        # A GPU would have to finish its step before the next is even sent.
        self.read_every = 1 if device.type == "cpu" else min(self.record_every, READ_EVERY)

    def run(self) -> FitResult:
        """All epochs, or fewer when the metric stops improving."""
        _make_deterministic(self.settings.seed + self.world.rank, self.device)
        self.saver.find()
        self.take_step.probe(self.plan.largest_step())
        self.saver.restore()
        with self._bar() as bar, Interruption(announces=self.world.writes) as interruption:
            first = self.record.step
            for epoch, steps in enumerate(self.plan):
                if first < len(steps) and not self._out_of_patience():
                    self._run_epoch(epoch, steps, max(0, first), bar, interruption)
                first -= len(steps)
        return self._result()

    def _bar(self) -> Any:
        rows = self.settings.epochs * len(self.training)
        if self.saver.resumed_from is None:
            return progress_bar(rows, "training")
        description = f"training, resumed at step {self.saver.resumed_from}"
        logging.getLogger(__name__).info(description)
        return progress_bar(rows, description, initial=self.record.rows)

    def _result(self) -> FitResult:
        if self.best.folder is None:
            raise RuntimeError("no evaluation took place")
        self.best.forget(self.saver.checkpoints.needed())
        return FitResult(
            best=self.best.folder,
            best_epoch=self.best.epoch,
            best_score=self.best.score,
            epochs=self.record.epoch,
            steps=self.record.step,
            seconds=time.perf_counter() - self.saver.begun,
            rows_per_second=self.record.rows_per_second,
            packed=self.classifier.packed,
            padding_waste=self.plan.padding_waste(self.record.epoch),
            micro_batches=self.take_step.micro_batches.parts,
            out_of_memory=self.take_step.micro_batches.halvings,
            stopped_early=self.record.step < self.plan.total_steps,
            resumed_from=self.saver.resumed_from,
            history=self.record.history,
        )

    def _run_epoch(
        self,
        epoch: int,
        steps: list[np.ndarray],
        first: int,
        bar: Any,
        interruption: Interruption,
    ) -> None:
        """The steps of an epoch from number ``first`` on, or until the metric stops improving."""
        record = self.record
        evaluate_at = self.plan.evaluated_after(len(steps))
        record.start_clock()
        for number, rows in enumerate(steps[first:], first + 1):
            rate = self.take_step.learning_rate if self._records(record.step + 1) else 0.0
            self.take_step(rows, epoch)
            record.step, record.epoch = record.step + 1, epoch + number / len(steps)
            record.rows += len(rows)
            evaluates = number in evaluate_at
            reads = evaluates or record.step % self.read_every == 0
            if reads:
                self._read_loss()
            if self._records(record.step):
                record.add("train", learning_rate=rate)
            self._show(bar)
            bar.update(len(rows))
            if evaluates:
                score = self._evaluate()
                self.shown_score = (
                    f", {self.settings.metric} {score:.3f} (best {self.best.score:.3f})"
                )
                self._show(bar)
            leaves = self.world.size == 1 and interruption.signal is not None
            wrote = (reads or leaves) and self.saver.after_step(evaluates, interruption)
            if wrote or evaluates:
                record.start_clock()
            if evaluates and self._out_of_patience():
                return

    def _out_of_patience(self) -> bool:
        return self.best.evaluations_since >= self.settings.patience

    def _show(self, bar: Any) -> None:
        """Sets what stands beside the bar's rows per second, at no cost for the device."""
        if losses := self.record.losses:
            bar.set_postfix_str(f"loss {losses[-1]:.3f}{self.shown_score}", refresh=False)

    def _records(self, step: int) -> bool:
        return step % self.record_every == 0

    def _read_loss(self) -> None:
        """Reads the mean loss since the last time; whatever runs on the device is done then.

        Raises:
            UserError: If it is not a number.
        """
        loss = self.take_step.read_loss()
        if not np.isfinite(loss):
            raise self.saver.not_a_number(f"The gradient or the training loss became {loss}")
        self.record.read_loss(loss)

    def _evaluate(self) -> float:
        scores = self.validator(self.take_step.autocast)
        if not np.isfinite(scores["loss"]):
            raise self.saver.not_a_number(f"The validation loss became {scores['loss']}")
        self.record.add("validation", **scores)
        [score] = self.world.agree([scores[self.settings.metric]])
        if self.best.offer(score, self.record.step, self.record.epoch):
            self.best.forget(self.saver.checkpoints.needed())
        return score


def _make_deterministic(seed: int, device: torch.device) -> None:
    torch.manual_seed(seed)
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        # It would also write NaN into all fresh memory, step after step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
