"""The few numbers that stand in a manifest and on a model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = ("accuracy", "macro_f1")


def headline_scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy and macro-F1 wherever they stand in the nested metrics, under dotted names."""
    found: dict[str, float] = {}
    _collect(metrics, "", found)
    return found


def _collect(values: Mapping[str, Any], prefix: str, found: dict[str, float]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            _collect(value, f"{prefix}{key}.", found)
        elif key in _SHOWN and isinstance(value, int | float):
            found[f"{prefix}{key}"] = float(value)
