"""Single-label classification: one of two or more labels for each text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wenliu.metrics import classification_metrics, softmax
from wenliu.tasks.base import Prediction

if TYPE_CHECKING:
    from wenliu.text.fast_tokenizer import FastTokenizer


class SingleLabelClassification:
    """Every text has exactly one label; it belongs to the text as a whole."""

    name: ClassVar[str] = "classification"
    head: ClassVar[str] = "sequence"
    loss: ClassVar[str] = "cross_entropy"

    def encode(
        self, tokenizer: FastTokenizer, texts: Sequence[str], max_length: int, truncation: str
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """One sequence ``[CLS] text [SEP]`` for each text.

        Returns:
            Token ids of all texts, flat, and the offsets at which each text starts and ends.
        """
        from wenliu.text.encoding import encode

        return encode(tokenizer, texts, max_length, truncation)

    def predict(
        self, logits: ArrayLike, labels: Sequence[str], temperature: float
    ) -> list[Prediction]:
        """The most probable label of each row of ``(rows, labels)`` logits, calibrated."""
        scores = np.asarray(logits, dtype=np.float64).reshape(-1, len(labels))
        probabilities = softmax(scores, temperature)
        best = scores.argmax(axis=1)
        return [
            Prediction(labels[chosen], float(row[chosen]), row)
            for chosen, row in zip(best.tolist(), probabilities, strict=True)
        ]

    def metrics(self, gold: ArrayLike, outputs: ArrayLike, n_labels: int) -> dict[str, Any]:
        """Accuracy, averages and per-class scores, the confusion matrix beneath them."""
        predicted = np.asarray(outputs).reshape(-1, n_labels).argmax(axis=1)
        return classification_metrics(gold, predicted, n_labels)
