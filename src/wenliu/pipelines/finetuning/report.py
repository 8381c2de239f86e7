"""What a fit says about itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wenliu.training.fit import FitResult
    from wenliu.training.settings import FitSettings

#: Of ``FitResult``: everything but the history, which is a dataset of its own, and a folder.
_FIGURES = (
    "epochs", "steps", "best_epoch", "best_score", "stopped_early", "resumed_from", "seconds",
    "rows_per_second", "packed", "padding_waste", "micro_batches", "out_of_memory",
)  # fmt: skip


def describe_fit(
    result: FitResult, settings: FitSettings, checkpoint_profile: dict[str, Any]
) -> dict[str, Any]:
    """The part of the report that follows from settings and result."""
    source = checkpoint_profile["source"]
    summary = f"Fine-tuned from {source}."
    if checkpoint_profile["path"] is None:
        summary = "A small model, trained from random weights (model.checkpoint: scratch)."
    return {
        "checkpoint": source,
        "summary": summary,
        "settings": asdict(settings),
        "learning_rate": settings.learning_rate,
        "metric": settings.metric,
        **{name: getattr(result, name) for name in _FIGURES},
        "warnings": [],
    }
