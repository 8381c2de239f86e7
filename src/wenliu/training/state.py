"""What a step leaves for the next one, as tensors: weights, AdamW's moments, random numbers.

Tensors are copied in and out in place: replicas, captured graphs and the optimizer all hold on to
the ones they know. Of several processes the first one writes and reads; weights and moments are
the same in all, random states and summed losses are gathered and dealt out again.
"""

from __future__ import annotations

import torch

from wenliu.training.checkpoints import Checkpoint
from wenliu.training.memory import RandomState
from wenliu.training.step import TrainStep

#: None of the models has a buffer that training changes: parameters are all there is.
_SHARED = ("weights", "optimizer")


def read_state(step: TrainStep) -> dict[str, dict[str, torch.Tensor]]:
    """Everything that the next step depends on, by file and name; on every process."""
    random = RandomState(step.device)
    own = {"random_cpu": random.cpu, "loss_sum": step.loss_sum.detach().cpu().reshape(1)}
    if random.cuda is not None:
        own["random_cuda"] = random.cuda
    shared = {
        kind: {name: tensor.detach().cpu().contiguous() for name, tensor in group.items()}
        for kind, group in _places(step).items()
    }
    return {**shared, "processes": {name: step.world.stack(part) for name, part in own.items()}}


def restore_state(step: TrainStep, checkpoint: Checkpoint | None) -> None:
    """Goes back to what ``read_state`` gave; after the probe, which lays the moments out.

    Args:
        step: Built from the same arguments as the one that was read.
        checkpoint: Needed on the first process only.
    """
    world = step.world
    for kind, places in _places(step).items():
        stored = checkpoint.tensors(kind) if checkpoint else {}
        for name, place in places.items():
            with torch.no_grad():
                if checkpoint:
                    place.copy_(stored[name])
                world.send(place)
    random = RandomState(step.device)
    stored = checkpoint.tensors("processes") if checkpoint else {}
    random.cpu = world.deal(stored.get("random_cpu"), random.cpu)
    if random.cuda is not None:
        random.cuda = world.deal(stored.get("random_cuda"), random.cuda)
    random.restore()
    own = step.loss_sum.detach().cpu().reshape(1)
    step.loss_sum.copy_(world.deal(stored.get("loss_sum"), own)[0])


def is_finite(step: TrainStep) -> bool:
    """Whether every weight and moment is a number, and every loss and gradient since the last look.

    One that is not makes its tensor's sum none either: one pass over memory, and no copy.
    """
    if not step.loss_sum.isfinite():
        return False
    groups = _places(step).values()
    return all(bool(tensor.sum().isfinite()) for group in groups for tensor in group.values())


def _places(step: TrainStep) -> dict[str, dict[str, torch.Tensor]]:
    """Where weights and moments are kept, by names that do not depend on how they are grouped."""
    weights = dict(step.classifier.named_parameters())
    moments = {
        f"{name}/{key}": value
        for name, parameter in weights.items()
        for key, value in step.optimizer.state.get(parameter, {}).items()
    }
    return dict(zip(_SHARED, (weights, moments), strict=True))
