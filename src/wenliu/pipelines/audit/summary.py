"""The numbers and samples of the audit's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.params import AuditParams
from wenliu.pipelines.audit.policies import REASONS, conflicting
from wenliu.pipelines.audit.twins import CLOSENESS, NO_TWIN, Bools, Ints, Twins, cumulative

SPLITS = ("train", "validation", "test")
#: First split's rows are looked up in the second.
LEAK_DIRECTIONS = (("test", "train"), ("validation", "train"), ("test", "validation"))
#: Characters of a text in a sample.
SAMPLE_CHARS = 120
#: BERT reads at most 512 tokens with [CLS] and [SEP].
LONG_CHARS = 510
#: Shares and ratios from which on a reader should look.
_LEAK_SHARE, _IMBALANCE = 0.01, 10.0


def summarise(
    twins: Twins,
    split: NDArray[np.str_],
    labels: Ints,
    dropped: NDArray[np.object_],
    ids: Sequence[str],
    texts: Sequence[str],
    names: Sequence[str],
    params: AuditParams,
) -> dict[str, Any]:
    """Everything that the audit found, as plain numbers and short samples."""
    sides = {name: split == name for name in SPLITS}
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    train, everyone = sides["train"] & ~twins.blank, ~twins.blank
    conflicts_anywhere = conflicting(twins.normal, labels, everyone, twins.n_normal)
    conflicts_in_train = conflicting(twins.normal, labels, train, twins.n_normal)
    report: dict[str, Any] = {
        "rows": len(split),
        "splits": {
            name: _side(rows, labels, dropped, lengths, names) for name, rows in sides.items()
        },
        "leaks": {
            f"{a}_in_{b}": cumulative(twins.closeness(sides[a], sides[b]))
            for a, b in LEAK_DIRECTIONS
        },
        "repeats": {name: cumulative(twins.repeats(rows)) for name, rows in sides.items()},
        "conflicts": {
            "texts": int(conflicts_anywhere.sum()),
            "texts_in_train": int(conflicts_in_train.sum()),
            "rows": int((conflicts_anywhere[twins.normal] & everyone).sum()),
            "rows_in_train": int((conflicts_in_train[twins.normal] & train).sum()),
        },
        "blank": {name: int((rows & twins.blank).sum()) for name, rows in sides.items()},
        "dropped": {reason: int((dropped == reason).sum()) for reason in REASONS},
        "policies": {
            "leaks": params.leaks,
            "repeats": params.repeats,
            "conflicts": params.conflicts,
            "near_similarity": params.near_similarity,
            "near_min_chars": params.near_min_chars,
        },
    }
    show = _Sampler(ids, texts, split, labels, names)
    report["samples"] = {
        **{
            f"{a}_in_{b}": _pairs(twins, sides[a], sides[b], show, params.samples)
            for a, b in LEAK_DIRECTIONS
        },
        "most_repeated": _most_repeated(twins, everyone, show, params.samples),
        "conflicts": [
            show.group(np.flatnonzero((twins.normal == number) & everyone))
            for number in np.flatnonzero(conflicts_anywhere)[: params.samples]
        ],
    }
    report["warnings"] = _warnings(report)
    return report


class _Sampler:
    """Rows as a reader of the report sees them."""

    def __init__(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        split: NDArray[np.str_],
        labels: Ints,
        names: Sequence[str],
    ) -> None:
        self.ids, self.texts, self.split, self.labels, self.names = ids, texts, split, labels, names

    def row(self, row: int) -> dict[str, str]:
        text = self.texts[row]
        return {
            "id": self.ids[row],
            "split": str(self.split[row]),
            "label": self.names[self.labels[row]],
            "text": text if len(text) <= SAMPLE_CHARS else text[: SAMPLE_CHARS - 1] + "…",
        }

    def group(self, rows: Ints) -> dict[str, Any]:
        """Several rows of one text: the first, and how the labels are spread."""
        counts = np.bincount(self.labels[rows], minlength=len(self.names))
        return {
            "text": self.row(int(rows[0]))["text"],
            "rows": int(rows.size),
            "labels": {self.names[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()},
            "ids": [self.ids[i] for i in rows[:5].tolist()],
        }


def _side(
    rows: Bools,
    labels: Ints,
    dropped: NDArray[np.object_],
    lengths: Ints,
    names: Sequence[str],
) -> dict[str, Any]:
    kept = rows & (dropped == None)  # noqa: E711
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


def _pairs(
    twins: Twins, rows: Bools, others: Bools, show: _Sampler, n: int
) -> list[dict[str, Any]]:
    """Rows with their twins, the loosest closeness first: those need a person's eye."""
    levels = twins.closeness(rows, others)
    found = np.flatnonzero(levels < NO_TWIN)
    found = found[np.argsort(-levels[found], kind="stable")][:n]
    return [
        {
            "closeness": CLOSENESS[levels[row]],
            "row": show.row(row),
            "twin": show.row(twins.find(row, others, int(levels[row]))),
        }
        for row in found.tolist()
    ]


def _most_repeated(twins: Twins, rows: Bools, show: _Sampler, n: int) -> list[dict[str, Any]]:
    counts = np.bincount(twins.normal[rows], minlength=twins.n_normal)
    order = np.argsort(-counts, kind="stable")[:n]
    return [
        show.group(np.flatnonzero((twins.normal == number) & rows))
        for number in order
        if counts[number] > 1
    ]


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
