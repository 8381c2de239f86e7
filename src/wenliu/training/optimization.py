"""The losses, AdamW's parameter groups and the learning-rate schedule."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from wenliu.training.settings import FitSettings

#: A task's loss by its name: of logits and gold, with ``weight`` (of the labels),
#: ``label_smoothing`` and ``reduction``.
LOSSES: dict[str, Callable[..., torch.Tensor]] = {"cross_entropy": cross_entropy}

_LAYER = re.compile(r"\.layer\.(\d+)\.")


class Objective:
    """What is minimised: a loss, summed over rows, over the sum of the rows' weights.

    Args:
        loss_of: One of ``LOSSES``.
        labels: Of all training rows.
        n_labels: How many labels there are.
        settings: Says how labels are weighted and smoothed.
        device: Where logits will be.
    """

    def __init__(
        self,
        loss_of: Callable[..., torch.Tensor],
        labels: np.ndarray,
        n_labels: int,
        settings: FitSettings,
        device: torch.device,
    ) -> None:
        self.loss_of, self.label_smoothing = loss_of, settings.label_smoothing
        weights = None
        if settings.class_weights == "balanced":
            weights = balanced_weights(torch.from_numpy(labels.astype(np.int64)), n_labels)
        self.host_weights = None if weights is None else weights.numpy()
        self.class_weights = None if weights is None else weights.to(device)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Summed over the rows; a label of -100 counts nothing."""
        return self.loss_of(
            logits,
            labels,
            weight=self.class_weights,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )

    def weight(self, labels: np.ndarray) -> float:
        """Of all rows of a step together; nothing is read from the device for it."""
        if self.host_weights is None:
            return float(len(labels))
        return float(self.host_weights[labels].sum())


def build_optimizer(
    model: nn.Module, learning_rate: float, weight_decay: float, layer_decay: float
) -> AdamW:
    """AdamW with decayed and undecayed groups, and smaller rates for lower layers.

    Biases and LayerNorm are not decayed (Devlin et al. 2019). With ``layer_decay`` d < 1 a layer
    that has k layers above it learns at d^(k+1) times the head's rate, and the embeddings at the
    lowest (ULMFiT's discriminative rates; Sun et al. 2019 found 0.95 best for BERT).
    """
    names, device = [name for name, _ in model.named_parameters()], next(model.parameters()).device
    layers = 1 + max((int(m[1]) for n in names if (m := _LAYER.search(n))), default=-1)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decayed = parameter.ndim > 1  # biases and LayerNorm are vectors
            groups.setdefault((_depth(name, layers), decayed), []).append(parameter)
    return AdamW(
        [
            {
                "params": parameters,
                # On a GPU a tensor: a captured step reads there what the schedule has written.
                "lr": _rate(learning_rate * layer_decay**depth, device),
                "weight_decay": weight_decay if decayed else 0.0,
            }
            for (depth, decayed), parameters in groups.items()
        ],
        fused=device.type in ("cpu", "cuda"),
        capturable=device.type == "cuda",
    )


def skip_updates_while(flag: torch.Tensor, optimizer: AdamW) -> None:
    """Makes ``optimizer`` change nothing while ``flag`` is 1; nothing is read from the device.

    What fused AdamW does for ``torch.amp.GradScaler``: its kernel looks at ``found_inf`` and leaves
    weights, moments and step counts as they are. AdamW that is not fused (MPS) has no such thing.

    Args:
        flag: float32 of shape (), on the device of the weights; changed in place only.
        optimizer: From ``build_optimizer``.
    """
    if optimizer.defaults["fused"]:
        optimizer.found_inf = flag  # type: ignore[attr-defined]


def linear_schedule(optimizer: AdamW, steps: int, warmup: float) -> LambdaLR:
    """Linear warm-up over the share ``warmup`` of all steps, then linear decay to zero."""
    warm = round(steps * warmup)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        return max(0.0, (steps - step) / max(1, steps - warm))

    return LambdaLR(optimizer, factor)


def balanced_weights(label_ids: torch.Tensor, n_labels: int) -> torch.Tensor:
    """Class weights rows / (labels x rows of the label), as scikit-learn's ``balanced``."""
    counts = torch.bincount(label_ids, minlength=n_labels).clamp(min=1)
    return (len(label_ids) / (n_labels * counts)).float()


def _depth(name: str, layers: int) -> int:
    """Layers between a parameter and the head: 0 for the head, most for the embeddings."""
    if match := _LAYER.search(name):
        return layers - int(match[1])
    return layers + 1 if ".embeddings." in name else 0


def _rate(value: float, device: torch.device) -> float | torch.Tensor:
    return torch.tensor(value, device=device) if device.type == "cuda" else value
