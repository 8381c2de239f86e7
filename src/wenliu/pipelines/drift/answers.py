"""What a model that knows the older rows says of both samples."""

from __future__ import annotations

import logging
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


@dataclass(frozen=True)
class Asked:
    """The model whose answers are compared.

    Attributes:
        bundle: Loaded.
        name: What to call it.
        warnings: What was wrong with the one that should have been asked.
    """

    bundle: Bundle
    name: str
    warnings: tuple[str, ...] = ()


def load_asked(champion: Mapping[str, Any], bundle: Path) -> Asked:
    """The champion's bundle; tonight's where there is no champion, or where it does not load.

    The champion has seen none of the new rows. Tonight's model has learned from their like, so it
    is surer of them than the model was that serves while they come in.
    """
    from wenliu.serving.bundle import Bundle

    why = str(champion.get("reason") or "")
    if champion["folder"] is not None:
        try:
            serving = Bundle.load(Path(champion["folder"]), engine="onnxruntime")
        except Exception as error:  # an engine's too: it may be older than what runs tonight
            logging.getLogger(__name__).info("the champion does not load", exc_info=error)
            why = f"version {champion['version']} does not load ({type(error).__name__})."
        else:
            return Asked(serving, f"the champion, version {champion['version']}")
    tonights = Bundle.load(bundle, engine="onnxruntime")
    if not why:
        return Asked(tonights, "tonight's model (there is no champion yet)")
    warning = f"Tonight's model was asked, which is surer of new rows than the champion: {why}"
    return Asked(tonights, "tonight's model (the champion cannot be asked)", (warning,))


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
