"""What every task answers. Nothing else in the project asks "which task is this?"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from wenliu.text.fast_tokenizer import FastTokenizer


class Prediction(NamedTuple):
    """What the model says of one text.

    Attributes:
        label: Name of the most probable label.
        probability: Its calibrated probability.
        probabilities: Of every label, in the order of the bundle's labels; they sum to 1.
    """

    label: str
    probability: float
    probabilities: NDArray[np.float64]


class Task(Protocol):
    """What differs between tasks.

    Attributes:
        name: As in the parameter ``model.task`` and in a bundle's manifest.
        head: Name of the model's head, a key of ``wenliu.modeling.network.HEADS``.
        loss: Name of the loss, a key of ``wenliu.training.optimization.LOSSES``.
    """

    name: ClassVar[str]
    head: ClassVar[str]
    loss: ClassVar[str]

    def encode(
        self, tokenizer: FastTokenizer, texts: Sequence[str], max_length: int, truncation: str
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Clean texts to token ids, flat, and offsets of length ``len(texts) + 1``."""
        ...

    def predict(
        self, logits: ArrayLike, labels: Sequence[str], temperature: float
    ) -> list[Prediction]:
        """Outputs of the head to calibrated predictions, one for each row."""
        ...

    def metrics(self, gold: ArrayLike, outputs: ArrayLike, n_labels: int) -> dict[str, Any]:
        """The scores that count for this task, as plain numbers.

        ``macro_f1`` and ``accuracy`` are among them: either may choose the best model.

        Args:
            gold: Label ids.
            outputs: Of the head, or probabilities of a baseline.
            n_labels: Of the label map.
        """
        ...
