"""One update as one CUDA graph: static shapes, one copy in, nothing read back.

A step of 32 titles is some 700 tokens, a millisecond of multiplications in bert-base, and launching
its kernels one by one takes several. So batches are filled up to one of few shapes; a shape's first
steps run eagerly (they are the warm-up that capture wants, and real steps all the same), then the
whole step, from zeroed gradients to AdamW, is captured once and replayed. A failed capture leaves
CUDA's random numbers in capture mode, so there is no way back to eager steps: where capture or
compilation fails the run ends, and names the parameter that does without both.

The design follows PyTorch's notes on CUDA graphs; shapes are filled as ``Packed.filled`` says.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np
import torch

from wenliu.errors import UserError
from wenliu.modeling.packing import Packed
from wenliu.training.memory import RandomState, is_out_of_memory, release_memory
from wenliu.training.step import TrainStep

#: Eager runs of a part of a shape before it is captured: lazy initialisation must lie behind.
WARM_UPS = 2
#: Compiling the layers takes about as long as hundreds of steps; shorter runs go without.
COMPILE_FROM_STEPS = 1_000


class Part(Enum):
    """What a micro-batch is of its step."""

    WHOLE = auto()  # its only one: gradients live within the graph
    EARLIER = auto()  # gradients are kept for the next
    LAST = auto()


@dataclass
class Slot:
    """One static shape: where its batches are copied to, its eager runs and its graphs."""

    batch: Packed
    uses: Counter[Part] = field(default_factory=Counter)
    graphs: dict[Part, Any] = field(default_factory=dict)


class CudaStep(TrainStep):
    """``TrainStep`` for one GPU and a packed classifier. Takes the same arguments.

    On a CPU it runs the same static shapes eagerly, which is how they are tested.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.longest = int(self.training.lengths.max())
        self.weight = torch.ones((), device=self.device)
        self.slots: dict[tuple[int, int], Slot] = {}
        self.kept_gradients: list[torch.Tensor] | None = None
        self.graphed = self.device.type == "cuda"
        self.compiled = self.graphed and self.total_steps >= COMPILE_FROM_STEPS
        if self.graphed:
            self.stream = torch.cuda.Stream(self.device)
            self.pool = torch.cuda.graph_pool_handle()
        if self.compiled:
            compile_layers(self.classifier)

    def __call__(self, rows: np.ndarray, epoch: int) -> None:
        """One update from these rows, sorted by length; nothing is read back from the device."""
        self.classifier.train()
        self.weight.fill_(self.objective.weight(self.training.labels[rows]))
        state, loss_before = RandomState(self.device), self.loss_sum.clone()
        while not self._try_step(rows, epoch):
            self._forget_graphs()
            self.micro_batches.halve(len(rows))
            self.loss_sum.copy_(loss_before)
            state.restore()
        self.schedule.step()
        self.steps_summed += 1

    def probe(self, rows: np.ndarray) -> None:
        """See ``TrainStep``; here the layers are compiled, at their first call.

        Raises:
            UserError: If a step does not fit, or fails with compiled layers.
        """
        try:
            super().probe(rows)
        except UserError:
            raise
        except Exception as error:  # compilers and what they call raise all kinds
            if not self.compiled:
                raise
            raise _refused("A step with compiled layers failed", error) from error

    def _try_step(self, rows: np.ndarray, epoch: int) -> bool:
        try:
            batches = self.batches(rows, epoch)
            with self._on_stream():
                for number, batch in enumerate(batches, 1):
                    last = Part.WHOLE if len(batches) == 1 else Part.LAST
                    self._run(batch, last if number == len(batches) else Part.EARLIER)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _run(self, batch: Packed, part: Part) -> None:
        slot = self._load(batch)
        if part not in slot.graphs and self.graphed and slot.uses[part] >= WARM_UPS:
            self._capture(slot, part)
        if part in slot.graphs:
            slot.graphs[part].replay()
        else:
            slot.uses[part] += 1
            self._bind_gradients(part)
            self._work(slot.batch, part)

    def _load(self, batch: Packed) -> Slot:
        """Copies the batch to its shape's place on the device."""
        tokens, sequences = static_shape(batch.tokens, batch.sequences, self.longest)
        filled = batch.filled(tokens, sequences, self.longest)
        slot = self.slots.get((tokens, sequences))
        if slot is None:
            self.slots[tokens, sequences] = slot = Slot(filled.to(self.device))
        else:
            buffer = filled.buffer.pin_memory() if self.graphed else filled.buffer
            slot.batch.buffer.copy_(buffer, non_blocking=True)
        if self.device.type == "cpu":  # where lengths steer attention
            slot.batch = filled
        return slot

    def _work(self, batch: Packed, part: Part) -> None:
        """What a graph holds: from token ids to gradients, and in the last part the update."""
        self.loss_sum += self._backward(batch, self.weight)
        if part is Part.EARLIER:
            return
        self._clip_and_step()
        self.optimizer.zero_grad(set_to_none=part is Part.WHOLE)

    def _bind_gradients(self, part: Part) -> None:
        """Gradients that outlive a graph lie at fixed places; those of a whole step in its pool."""
        parameters = list(self.classifier.parameters())
        if part is Part.WHOLE:
            self.optimizer.zero_grad(set_to_none=True)
            return
        if self.kept_gradients is None:
            self.kept_gradients = [torch.zeros_like(parameter) for parameter in parameters]
        for parameter, gradient in zip(parameters, self.kept_gradients, strict=True):
            parameter.grad = gradient

    def _capture(self, slot: Slot, part: Part) -> None:
        self._bind_gradients(part)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                self._work(slot.batch, part)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise _refused("The step cannot be captured as a CUDA graph", error) from error
        slot.graphs[part] = graph

    def _forget_graphs(self) -> None:
        """Gives their memory back, and half a gradient with it."""
        self.slots.clear()
        self.kept_gradients = None
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            self.pool = torch.cuda.graph_pool_handle()
        release_memory()

    def _on_stream(self) -> AbstractContextManager[Any]:
        """Capture wants a stream of its own, and eager steps on the same one before it."""
        return _Stream(self.stream) if self.device.type == "cuda" else nullcontext()


def static_shape(tokens: int, sequences: int, longest: int) -> tuple[int, int]:
    """The shape that a batch is filled up to.

    Both in steps of a sixteenth to an eighth: 4 to 5 % of the tokens are computed in vain, and the
    batches of a data set make about ten shapes.

    Args:
        tokens: Of the batch.
        sequences: Of the batch.
        longest: Most tokens of a sequence, at least 2: every row has [CLS] and [SEP].

    Returns:
        Tokens and sequences such that the sequences added hold the tokens added, each at least one.
    """
    step = max(64, _sixteenth(tokens))
    # Tokens added: one for each sequence added, and step - 1 at most to round up.
    most = -(-(step - 1) // (longest - 1))
    room = _up(sequences + most, max(8, _sixteenth(sequences)))
    return _up(tokens + room - sequences, step), room


def compile_layers(classifier: Any) -> None:
    """Has each layer compiled in place, when it is first called."""
    for layer in dict.fromkeys(classifier.family.layers(classifier.model.base_model)):
        layer.compile(dynamic=True)


def _refused(what: str, error: Exception) -> UserError:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return UserError(
        f"{what}: {reason}",
        where="finetuning",
        remedy="--params finetuning.cuda_graphs=off",
    )


def _sixteenth(number: int) -> int:
    """The power of two that is a sixteenth to an eighth of it; 1 of small numbers."""
    return 1 << max(0, (number - 1).bit_length() - 4)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


class _Stream:
    """Work on a stream that follows what was sent before, and that later work follows."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.context = stream, torch.cuda.stream(stream)

    def __enter__(self) -> None:
        self.stream.wait_stream(torch.cuda.current_stream())
        self.context.__enter__()

    def __exit__(self, *exception: Any) -> None:
        self.context.__exit__(*exception)
        torch.cuda.current_stream().wait_stream(self.stream)
