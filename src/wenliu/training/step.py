"""One update of the weights, from the rows of a step: eager, on any device."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from wenliu.errors import UserError
from wenliu.modeling.packing import Packed
from wenliu.training.batches import Rows, TokenDropout, deal, pack, slices
from wenliu.training.distributed import ALONE, World
from wenliu.training.memory import MicroBatches, RandomState, is_out_of_memory, release_memory
from wenliu.training.optimization import (
    Objective,
    build_optimizer,
    linear_schedule,
    skip_updates_while,
)
from wenliu.training.settings import FitSettings


class TrainStep:
    """Forward and backward of the micro-batches of a step, clipping, AdamW and the schedule.

    The loss of a step is the sum over its rows divided by their weight, however the step is cut:
    into micro-batches, and among the processes of ``world``.

    Args:
        classifier: From packed batches to logits; on ``device``, and what holds the gradients.
        training: Rows to learn from.
        objective: What is minimised.
        settings: See ``FitSettings``.
        device: Where the classifier is.
        total_steps: Of all epochs, for the schedule.
        world: The processes that take this step together.
    """

    def __init__(
        self,
        classifier: nn.Module,
        training: Rows,
        objective: Objective,
        settings: FitSettings,
        device: torch.device,
        total_steps: int,
        world: World = ALONE,
    ) -> None:
        self.classifier, self.training, self.objective = classifier, training, objective
        self.settings, self.device, self.total_steps = settings, device, total_steps
        self.world = world
        self.replica = world.replicate(classifier)
        self.optimizer = build_optimizer(
            classifier, settings.learning_rate, settings.weight_decay, settings.layer_decay
        )
        self.schedule = linear_schedule(self.optimizer, total_steps, settings.warmup)
        # A share of the rows in a share of the batches: each is as large as in one process.
        self.micro_batches = MicroBatches(-(-settings.accumulation // world.size))
        self.loss_sum = torch.zeros((), device=device)
        self.steps_summed = 0
        # 1 from the step on whose loss or gradient is not a number.
        self.halted = torch.zeros((), device=device)
        skip_updates_while(self.halted, self.optimizer)

    def __call__(self, rows: np.ndarray, epoch: int) -> None:
        """One update from these rows, sorted by length; nothing is read back from the device.

        None where the loss or the gradient is not a number, and none after that: weights and
        moments stay those of the step before until somebody reads the loss.
        """
        self.classifier.train()
        self.loss_sum += self._gradients(rows, epoch)
        self._update()
        self.steps_summed += 1

    def probe(self, rows: np.ndarray) -> None:
        """Finds out whether a step of these rows fits, and leaves nothing behind.

        The optimizer's state is laid out first: it would be in the way of the second step only.

        Raises:
            UserError: If that state does not fit, or a step does not in whatever small pieces.
        """
        state = RandomState(self.device)
        try:
            self._allocate_optimizer()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                "The weights, their gradients and AdamW's two moments do not fit into memory.",
                where="finetuning",
                remedy="Take a smaller model.checkpoint, or a device with more memory.",
            ) from error
        self.classifier.train()
        self._gradients(rows, epoch=0, probing=True)
        self.optimizer.zero_grad(set_to_none=True)
        state.restore()

    def read_loss(self) -> float:
        """Mean loss of the steps since it was last read; waits for the device.

        One step whose loss or gradient is not a number makes the mean none.
        """
        mean = float(self.world.total(self.loss_sum)) / max(1, self.steps_summed)
        self.loss_sum.zero_()
        self.steps_summed = 0
        return mean

    def move_schedule(self, steps: int) -> None:
        """Sets the rates to what they are after so many steps."""
        self.schedule.last_epoch = steps - 1
        self.schedule.step()

    @property
    def learning_rate(self) -> float:
        """Of the head, at the next step."""
        return float(self.schedule.get_last_lr()[0])

    def batches(self, rows: np.ndarray, epoch: int) -> list[Packed]:
        """The micro-batches of a step, on the host."""
        cut = deal if getattr(self.classifier, "packed", False) else slices
        share = self.settings.token_dropout
        dropout = TokenDropout(share, self.settings.seed, epoch) if share else None
        return [pack(self.training, part, dropout) for part in cut(rows, self.micro_batches.parts)]

    def _gradients(self, rows: np.ndarray, epoch: int, probing: bool = False) -> torch.Tensor:
        """Adds the gradient of a step to the parameters; its loss, still on the device.

        Several processes agree on what did not fit while they probe, where they exchange no
        gradients; later they could not without waiting for the device in every step.
        """
        state = RandomState(self.device)
        while (loss := self._try_gradients(rows, epoch, probing)) is None:
            # Here, outside of the handler, the traceback no longer keeps activations alive.
            self.optimizer.zero_grad(set_to_none=True)
            release_memory()
            self.micro_batches.halve(-(-len(rows) // self.world.size))
            state.restore()
        return loss

    def _try_gradients(
        self, rows: np.ndarray, epoch: int, probing: bool = False
    ) -> torch.Tensor | None:
        # The average over processes of what each weighs by its share is that of all rows.
        weight = self.objective.weight(self.training.labels[rows]) / self.world.size
        share = self.world.share(rows)
        if not len(share):  # the others wait for our gradient: of any row, counting nothing
            share, weight = rows[:1], float("inf")
        total = torch.zeros((), device=self.device)
        fits = True
        try:
            batches = self.batches(share, epoch)
            for number, batch in enumerate(batches, 1):
                last = number == len(batches) and not probing
                with self.world.accumulating(self.replica, last):
                    total += self._backward(batch.to(self.device), weight)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self.world.size > 1 and not probing:
                raise UserError(
                    f"Out of memory in process {self.world.rank}, though the largest step had fit.",
                    where="finetuning",
                    remedy="Halve batch_size and double accumulation: updates stay the same.",
                ) from error
            fits = False
        if probing:
            fits = not self.world.any(not fits)
        return total / self.world.size if fits else None

    def _backward(self, batch: Packed, weight: float | torch.Tensor) -> torch.Tensor:
        with self.autocast():
            logits = self.replica(batch)
        loss = self.objective.loss(logits.float(), batch.labels) / weight
        loss.backward()
        return loss.detach()

    def _update(self) -> None:
        self._clip_and_step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _clip_and_step(self) -> None:
        """AdamW, if all is finite so far: decided on the device, and captured in graphs as it is.

        The summed loss remembers what was not: 0 times a norm that is infinite or NaN is NaN, and
        nothing turns a NaN into a number again.
        """
        parameters = self.classifier.parameters()
        norm = nn.utils.clip_grad_norm_(parameters, self.settings.max_gradient_norm)
        self.loss_sum += 0 * norm
        self.halted.copy_(~self.loss_sum.isfinite())
        self.optimizer.step()

    def _allocate_optimizer(self) -> None:
        """AdamW's moments, as they are before the first step: a step of rate 0 and gradient 0."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"] * 0
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        for state in self.optimizer.state.values():
            state["step"].zero_()
        self.optimizer.zero_grad(set_to_none=True)

    def autocast(self) -> Any:
        """The context of a forward pass in the run's precision."""
        if self.settings.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()
