"""What a model that knows the older rows says of both samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wenliu.metrics import softmax

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle


@dataclass(frozen=True)
class Answers:
    """Row by row, as the texts were given.

    Attributes:
        predicted: Name of the likeliest label.
        confidence: Its calibrated probability.
        unknown: ``[UNK]`` tokens.
        tokens: All tokens, uncut.
    """

    predicted: list[str]
    confidence: NDArray[np.float64]
    unknown: NDArray[np.int64]
    tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.predicted)


def asked_model(champion: Mapping[str, Any], bundle: Path) -> tuple[Path, str]:
    """The champion's bundle and what to call it; tonight's where there is no champion yet.

    The champion has seen none of the new rows. Tonight's model has learned from their like, so it
    is surer of them than the model was that serves while they come in.
    """
    if champion["version"] is None:
        return bundle, "tonight's model (there is no champion yet)"
    return Path(champion["folder"]), f"the champion, version {champion['version']}"


def ask(bundle: Bundle, texts: Sequence[str]) -> Answers:
    """Predicts, and counts what the vocabulary does not know."""
    cleaned = bundle.clean(texts)
    unknown, tokens = bundle.unknown_tokens(cleaned)
    probabilities = softmax(bundle.clean_logits(cleaned), bundle.temperature)
    best = probabilities.argmax(axis=1)
    return Answers(
        [bundle.labels[label] for label in best.tolist()],
        probabilities[np.arange(len(texts)), best],
        unknown,
        tokens,
    )
