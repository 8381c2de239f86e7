"""Did training go as training goes?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wenliu.pipelines.promotion.checks import Check, Group

#: Rows of history at each end whose losses are averaged, as a share: single steps are noisy.
_ENDS = 0.1
#: How much the training loss may have grown: a small model with dropout wavers that much.
_GROWN = 1.1


def training_group(report: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Group:
    """The group *training*, from the report and the history of finetuning."""
    losses = [row["loss"] for row in history if row["split"] == "train"]
    evaluations = [row for row in history if row["split"] == "validation"]
    finite = all(math.isfinite(row["loss"]) for row in history) and bool(losses)
    checks = [
        Check(
            "finite loss",
            finite,
            f"The loss was a number in all {len(losses):,} steps."
            if finite
            else "The loss was not a number at least once, or nothing was trained.",
        ),
        _evaluations_check(report, evaluations),
        Check(
            "memory",
            True,
            f"Memory ran out {report['out_of_memory']} times; batches were made smaller."
            if report.get("out_of_memory")
            else "Memory sufficed.",
            warned=bool(report.get("out_of_memory")),
        ),
    ]
    if finite:
        checks.insert(1, _fell_check(losses))
    if (step := report["resumed_from"]) is not None:
        words = f"Training was interrupted, and resumed at step {step:,}."
        checks.append(Check("resumed", True, words))
    return Group("training", checks)


def _fell_check(losses: Sequence[float]) -> Check:
    width = max(1, int(len(losses) * _ENDS))
    first, last = sum(losses[:width]) / width, sum(losses[-width:]) / width
    return Check(
        "the loss fell",
        last <= first * _GROWN,
        f"The training loss went from {first:.3f} to {last:.3f}.",
        last,
        first * _GROWN,
        warned=last >= first,
    )


def _evaluations_check(
    report: Mapping[str, Any], evaluations: Sequence[Mapping[str, Any]]
) -> Check:
    name = "evaluations"
    if not evaluations:
        words = "There is no validation split, so the last step's weights were taken."
        return Check(name, True, words, warned=True)
    if report["stopped_early"] and len(evaluations) == 1:
        return Check(name, False, "Training stopped at its first evaluation.")
    best, of = report["best_epoch"], report["epochs"]
    first = len(evaluations) > 2 and best <= evaluations[0]["epoch"]
    words = f"The best of {len(evaluations)} evaluations was at epoch {best:g} of {of:g}"
    words += ", the first of all: everything after it made the model worse." if first else "."
    return Check(name, True, words, warned=first)
