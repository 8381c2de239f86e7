"""The numbers and samples of the audit's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wenliu.codes import Bools, Codes
from wenliu.params import AuditParams
from wenliu.pipelines.audit.policies import KEPT, REASONS, conflicting
from wenliu.pipelines.audit.rows import Fetch, Ints, Rows
from wenliu.pipelines.audit.samples import LEAK_DIRECTIONS, choose_samples
from wenliu.pipelines.audit.twins import Twins, cumulative

#: BERT reads at most 512 tokens with [CLS] and [SEP].
LONG_CHARS = 510
#: Shares and ratios from which on a reader should look.
_LEAK_SHARE, _IMBALANCE = 0.01, 10.0


def summarise(
    twins: Twins,
    rows: Rows,
    lengths: Ints,
    dropped: Codes,
    fetch: Fetch,
    names: Sequence[str],
    params: AuditParams,
) -> dict[str, Any]:
    """Everything that the audit found, as plain numbers and short samples."""
    sides, labels = rows.sides, rows.labels
    train, everyone = sides["train"] & ~twins.blank, ~twins.blank
    conflicts_anywhere = conflicting(twins.normal, labels, everyone, twins.n_normal)
    conflicts_in_train = conflicting(twins.normal, labels, train, twins.n_normal)
    report: dict[str, Any] = {
        "rows": len(labels),
        "splits": {
            name: _side(side, labels, dropped, lengths, names) for name, side in sides.items()
        },
        "leaks": {
            f"{a}_in_{b}": cumulative(twins.closeness(sides[a], sides[b]))
            for a, b in LEAK_DIRECTIONS
        },
        "repeats": {name: cumulative(twins.repeats(side)) for name, side in sides.items()},
        "conflicts": {
            "texts": int(conflicts_anywhere.sum()),
            "texts_in_train": int(conflicts_in_train.sum()),
            "rows": int((conflicts_anywhere[twins.normal] & everyone).sum()),
            "rows_in_train": int((conflicts_in_train[twins.normal] & train).sum()),
        },
        "blank": {name: int((side & twins.blank).sum()) for name, side in sides.items()},
        "dropped": {
            reason: int((dropped == number).sum()) for number, reason in enumerate(REASONS)
        },
        "policies": {
            "leaks": params.leaks,
            "repeats": params.repeats,
            "conflicts": params.conflicts,
            "near_similarity": params.near_similarity,
            "near_min_chars": params.near_min_chars,
        },
    }
    samples = choose_samples(twins, rows, conflicts_anywhere, params.samples)
    report["samples"] = samples.shown(rows, fetch, names)
    report["warnings"] = _warnings(report)
    report["sources"] = _sources(twins, rows, dropped, conflicts_anywhere)
    return report


def _sources(twins: Twins, rows: Rows, dropped: Codes, conflicts: Bools) -> dict[str, Any]:
    """What each file brought: its rows, and what they have in common with earlier ones.

    ``repeats`` are rows whose normal form an earlier row has, whatever their splits;
    ``conflicts`` are rows whose text has several labels.
    """
    everyone = ~twins.blank
    counted = {
        "rows": np.ones(len(everyone), bool),
        "repeats": twins.repeat_texts(),
        "conflicts": everyone & conflicts[twins.normal],
        **{reason: dropped == number for number, reason in enumerate(REASONS)},
    }
    counts = {
        name: np.bincount(rows.source[chosen], minlength=len(rows.sources)).tolist()
        for name, chosen in counted.items()
    }
    return {
        source: {
            **{name: counts[name][number] for name in ("rows", "repeats", "conflicts")},
            "dropped": {reason: counts[reason][number] for reason in REASONS},
        }
        for number, source in enumerate(rows.sources)
    }


def _side(
    rows: Bools,
    labels: Ints,
    dropped: Codes,
    lengths: Ints,
    names: Sequence[str],
) -> dict[str, Any]:
    kept = rows & (dropped == KEPT)
    counts, kept_counts = (np.bincount(labels[r], minlength=len(names)) for r in (rows, kept))
    quantiles = np.quantile(lengths[rows], [0.5, 0.9, 0.99, 1.0]) if rows.any() else np.zeros(4)
    return {
        "rows": int(rows.sum()),
        "kept": int(kept.sum()),
        "labels": dict(zip(names, counts.tolist(), strict=True)),
        "kept_labels": dict(zip(names, kept_counts.tolist(), strict=True)),
        "characters": dict(zip(("p50", "p90", "p99", "longest"), map(int, quantiles), strict=True)),
        "long_rows": int((lengths[rows] > LONG_CHARS).sum()),
    }


def _warnings(report: dict[str, Any]) -> list[str]:
    warnings = []
    for a, b in LEAK_DIRECTIONS:
        leaks, rows = report["leaks"][f"{a}_in_{b}"]["near"], report["splits"][a]["rows"]
        if rows and leaks / rows >= _LEAK_SHARE:
            warnings.append(
                f"{leaks} of {rows} {a} rows ({100 * leaks / rows:.1f} %) have a twin in {b}."
            )
    train = report["splits"]["train"]
    for label, kept in train["kept_labels"].items():
        if not kept:
            warnings.append(
                f"Label {label!r} has no training row left ({train['labels'][label]} as given)."
            )
    present = [kept for kept in train["kept_labels"].values() if kept]
    if present and max(present) / min(present) >= _IMBALANCE:
        warnings.append(
            f"The largest label has {max(present)} training rows, the smallest {min(present)}."
        )
    for split, blank in report["blank"].items():
        if blank and split != "train":
            warnings.append(f"{blank} {split} rows are blank and stay in the score.")
    return warnings
