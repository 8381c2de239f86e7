"""Splits that the raw files bring along: by file name or by column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from wenliu.errors import UserError
from wenliu.params import Split
from wenliu.readers.guessing import SPLIT_VALUES

#: How the reason of a row with an unknown split begins.
UNKNOWN_SPLIT = "the split"
_WORDS = re.compile(r"[^\W\d_]+")


def splits_of_files(
    names: Sequence[str], patterns: Mapping[str, Split]
) -> tuple[dict[str, str], str]:
    """File name to split, for the files that have one, and how that was found.

    Without patterns, names such as ``train.tsv`` and ``reviews_dev.csv`` speak for themselves,
    if one of them says ``train`` and another one something else: a single file that happens to
    be called ``test_orders.csv`` is not a test set.

    Raises:
        UserError: A pattern fits no file. A misspelt ``test*`` would put test rows into training.
    """
    if patterns:
        found: dict[str, str] = {}
        for pattern, split in patterns.items():
            matching = [name for name in names if fnmatchcase(name, pattern)]
            if not matching:
                raise UserError(
                    f"The pattern {pattern!r} fits none of the files {', '.join(names)}.",
                    where="ingestion.splits",
                    remedy="correct or remove it",
                )
            for name in matching:
                found.setdefault(name, split)
        return found, "file names, as given in ingestion.splits"
    found = {name: spoken for name in names if (spoken := _speaking(name))}
    if "train" not in found.values() or len(set(found.values())) < 2:
        return {}, "none"
    return found, "file names"


def _speaking(name: str) -> str | None:
    stem = name.lower().split(".")[0]
    splits = {SPLIT_VALUES[word] for word in _WORDS.findall(stem) if word in SPLIT_VALUES}
    # "train_test.csv" says nothing.
    return splits.pop() if len(splits) == 1 else None


def read_split(raw: str | None, given: Mapping[str, Split]) -> tuple[str | None, str]:
    """The split that a value of the split column means, or None; and what is wrong with it."""
    value = (raw or "").strip()
    if not value:
        return None, ""
    split = given.get(value) or SPLIT_VALUES.get(value.lower())
    if split is None:
        return None, f"{UNKNOWN_SPLIT} {value[:40]!r} is unknown; see ingestion.split_values"
    return split, ""
