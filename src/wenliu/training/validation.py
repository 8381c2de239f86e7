"""Scores of the classifier in training on rows that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import nn

from wenliu.tasks import Task
from wenliu.training.batches import Rows
from wenliu.training.distributed import World
from wenliu.training.prediction import BATCH_TOKENS, classifier_logits

#: Of a task's metrics, those with a curve; with the loss they may choose the best model.
_CURVES = ("macro_f1", "accuracy")


class Validator:
    """Scores a classifier as it is now; each process takes its share of the rows.

    Args:
        classifier: From packed batches to logits.
        task: Says which metrics count.
        rows: To judge it on.
        loss_of: One of ``LOSSES``.
        n_labels: Logits of a row.
        world: The processes that do this together.
    """

    def __init__(
        self,
        classifier: nn.Module,
        task: Task,
        rows: Rows,
        loss_of: Callable[..., torch.Tensor],
        n_labels: int,
        world: World,
    ) -> None:
        self.classifier, self.task, self.rows = classifier, task, rows
        self.loss_of, self.n_labels, self.world = loss_of, n_labels, world
        self.mine = world.share(np.argsort(rows.lengths, kind="stable"))
        self.gold = rows.labels.astype(np.int64)

    def __call__(self, autocast: Callable[[], AbstractContextManager[None]]) -> dict[str, float]:
        """``loss``, ``macro_f1`` and ``accuracy``; on every process.

        Args:
            autocast: The steps' own context. A GPU's fp32 would cost a multiple of their bf16, to
                choose among epochs; a CPU judges in fp32.
        """
        on_gpu = next(self.classifier.parameters()).is_cuda
        with autocast() if on_gpu else nullcontext():
            part = classifier_logits(
                self.classifier, self.rows.take(self.mine), self.n_labels, BATCH_TOKENS
            )
        logits = self.world.gather(part, self.mine, len(self.rows))
        metrics = self.task.metrics(self.gold, logits, self.n_labels)
        loss = self.loss_of(torch.from_numpy(logits), torch.from_numpy(self.gold))
        return {"loss": float(loss), **{name: metrics[name] for name in _CURVES}}
