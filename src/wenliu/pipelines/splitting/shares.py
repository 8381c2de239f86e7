"""Are all labels in all splits, in like shares?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from wenliu.errors import UserError
from wenliu.params import SplittingParams

SPLITS = ("train", "validation", "test")
_NAMED = 10


def check_class_sizes(
    counts: Mapping[str, Counter[str]],
    labels: Sequence[str],
    params: SplittingParams,
    added: Collection[str] = (),
) -> list[str]:
    """Refuses classes that are too small to be split; returns warnings.

    Too small is a class with fewer rows than ``min_rows_per_class`` for each split, or with none
    in training. A class that is large enough but has too few rows in one split, by chance or
    because the split was given so, is warned about: its scores mean little, nothing else fails.

    Args:
        counts: Split to label to rows.
        labels: All labels.
        params: ``min_rows_per_class``.
        added: Labels that were added to the frozen ones: they may wait for their first rows.

    Raises:
        UserError: Naming the classes with their counts; or training or validation is empty.
    """
    least = params.min_rows_per_class
    used = [split for split in SPLITS if counts[split]]
    if "train" not in used:
        raise UserError(
            "No row is left for training.",
            where="splitting",
            remedy="check ingestion.splits and ingestion.split_values",
        )
    if "validation" not in used:
        raise UserError(
            "No row is left for validation, which chooses the model.",
            where=f"splitting.validation: {params.validation} of {counts['train'].total()} rows",
            remedy="add rows, or raise splitting.validation",
        )
    everything = sum((counts[split] for split in used), Counter())
    labels = [label for label in labels if label not in added or everything[label]]
    small = [
        label
        for label in labels
        if everything[label] < least * len(used) or not counts["train"][label]
    ]
    if small:
        raise UserError(
            f"Some classes are too small: {_list(small, everything)} rows in all, "
            f"{_list(small, counts['train'])} in training.",
            where=f"splitting.min_rows_per_class: {least}, in each of {', '.join(used)}",
            remedy="add rows of these classes, merge or remove them; or set "
            "splitting.min_rows_per_class: 0, where training has some of each",
        )
    return [
        f"The {split} split has few rows of some classes: {_list(few, counts[split])}."
        for split in used
        if (few := [label for label in labels if counts[split][label] < least])
    ]


def _list(names: Sequence[str], counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name!r} ({counts[name]})" for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def compare_shares(
    counts: Mapping[str, Counter[str]], labels: Sequence[str], allowed: float
) -> list[str]:
    """Warns where a label's share in a split differs from its share in all rows."""
    everything = sum((counts[split] for split in SPLITS), Counter())
    total = everything.total()
    warnings = []
    for split in SPLITS:
        size = counts[split].total()
        for label in labels:
            here, overall = counts[split][label] / max(1, size), everything[label] / max(1, total)
            if size and abs(here - overall) > allowed:
                warnings.append(
                    f"Label {label!r} has {here:.1%} of {split} but {overall:.1%} of all rows."
                )
    return warnings
