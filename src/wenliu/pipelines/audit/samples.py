"""A few rows that show what the audit found: chosen by number first, then read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wenliu.codes import Bools
from wenliu.pipelines.audit.rows import Fetch, Ints, Rows
from wenliu.pipelines.audit.twins import CLOSENESS, NO_TWIN, Twins

#: First split's rows are looked up in the second.
LEAK_DIRECTIONS = (("test", "train"), ("validation", "train"), ("test", "validation"))
#: Characters of a text in a sample.
SAMPLE_CHARS = 120
_GROUP_IDS = 5


@dataclass(frozen=True)
class Samples:
    """Row numbers.

    Attributes:
        pairs: Direction to closeness, row and twin.
        groups: What they have in common to the rows of each text.
    """

    pairs: dict[str, list[tuple[str, int, int]]]
    groups: dict[str, list[Ints]]

    def shown(self, rows: Rows, fetch: Fetch, names: Sequence[str]) -> dict[str, Any]:
        """The rows as a reader of the report sees them.

        Args:
            rows: Splits and labels.
            fetch: Reads ids and texts.
            names: Of the labels.
        """
        numbers = [number for pairs in self.pairs.values() for pair in pairs for number in pair[1:]]
        for groups in self.groups.values():
            numbers += [number for group in groups for number in group[:_GROUP_IDS].tolist()]
        found = fetch(numbers) if numbers else {}
        return {
            **{
                direction: [
                    {
                        "closeness": closeness,
                        "row": _row(row, found, rows, names),
                        "twin": _row(twin, found, rows, names),
                    }
                    for closeness, row, twin in pairs
                ]
                for direction, pairs in self.pairs.items()
            },
            **{
                name: [_group(group, found, rows, names) for group in groups]
                for name, groups in self.groups.items()
            },
        }


def choose_samples(twins: Twins, rows: Rows, conflicts: Bools, n: int) -> Samples:
    """At most ``n`` of each kind.

    Args:
        twins: All of them.
        rows: Splits and labels.
        conflicts: ``(n_normal,)`` which texts have several labels.
        n: May be 0.
    """
    everyone = ~twins.blank
    counts = np.bincount(twins.normal[everyone], minlength=twins.n_normal)
    repeated = np.argsort(-counts, kind="stable")[:n]
    texts = {
        "most_repeated": repeated[counts[repeated] > 1],
        "conflicts": np.flatnonzero(conflicts)[:n],
    }
    return Samples(
        {f"{a}_in_{b}": _pairs(twins, rows.sides[a], rows.sides[b], n) for a, b in LEAK_DIRECTIONS},
        {
            name: [np.flatnonzero((twins.normal == number) & everyone) for number in numbers]
            for name, numbers in texts.items()
        },
    )


def _pairs(twins: Twins, rows: Bools, others: Bools, n: int) -> list[tuple[str, int, int]]:
    """Rows with their twins, the loosest closeness first: those need a person's eye."""
    levels = twins.closeness(rows, others)
    found = np.flatnonzero(levels < NO_TWIN)
    found = found[np.argsort(-levels[found], kind="stable")][:n]
    return [
        (CLOSENESS[levels[row]], row, twins.find(row, others, int(levels[row])))
        for row in found.tolist()
    ]


def _row(
    row: int, found: Mapping[int, tuple[str, str]], rows: Rows, names: Sequence[str]
) -> dict[str, str]:
    identity, text = found[row]
    return {
        "id": identity,
        "split": rows.split_of(row),
        "label": names[rows.labels[row]],
        "text": text if len(text) <= SAMPLE_CHARS else text[: SAMPLE_CHARS - 1] + "…",
    }


def _group(
    group: Ints, found: Mapping[int, tuple[str, str]], rows: Rows, names: Sequence[str]
) -> dict[str, Any]:
    """Several rows of one text: the first, and how the labels are spread."""
    counts = np.bincount(rows.labels[group], minlength=len(names))
    return {
        "text": _row(int(group[0]), found, rows, names)["text"],
        "rows": int(group.size),
        "labels": {names[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()},
        "ids": [found[row][0] for row in group[:_GROUP_IDS].tolist()],
    }
