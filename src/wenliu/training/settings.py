"""What the loop needs to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FitSettings:
    """The fields of the finetuning parameters, with every ``auto`` resolved.

    What they mean and what they are by default stands there alone.
    """

    epochs: int
    batch_by: str
    batch_size: int
    batch_tokens: int
    accumulation: int
    learning_rate: float
    layer_decay: float
    weight_decay: float
    warmup: float
    max_gradient_norm: float
    class_weights: str
    label_smoothing: float
    token_dropout: float
    precision: str
    cuda_graphs: str
    metric: str
    patience: int
    evaluations_per_epoch: int
    checkpoint_minutes: float
    seed: int
