"""Labels: folded to one spelling, named, and put in order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wenliu.errors import UserError
from wenliu.readers import ReadOptions, iter_rows, sniff

_INTEGER = re.compile(r"-?\d{1,9}")
# Letters, digits and the blank only: full-width punctuation may be meant.
_TO_HALF_WIDTH = {
    0x3000: " ",
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code - 0xFEE0).isalnum()},
}


def fold_label(label: str) -> str:
    """Trimmed, NFC, full-width letters, digits and blanks as half-width."""
    return unicodedata.normalize("NFC", label.translate(_TO_HALF_WIDTH)).strip()


def read_label_names(raw_files: Sequence[Path], name: str) -> tuple[list[str], list[Path]]:
    """Names from the file of names, and the raw files without that file.

    Args:
        raw_files: Files of the problem, the names file among them: what counts for skipping is
            the content of these.
        name: Its name in the folder of the first raw file.

    Raises:
        UserError: It is missing, outside the folder, no raw file, empty, or repeats a name.
    """
    folder = raw_files[0].parent
    path = folder / name
    where = f"ingestion.label_names: {name}"
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            "The file of label names leads out of the folder of raw files.",
            where=where,
            remedy=f"put it into {folder}",
        )
    if not path.is_file():
        raise UserError(
            f"There is no file of label names {path}.",
            where=where,
            remedy="put it there, one name a line",
        )
    others = [raw for raw in raw_files if raw.resolve() != path.resolve()]
    if len(others) == len(raw_files):
        raise UserError(
            f"The file of label names {path} is not among the raw files, so nobody would notice "
            "when it changes.",
            where=where,
            remedy="add it to the files of raw_files in the catalog",
        )
    options = ReadOptions(
        format="tsv", delimiter="\t", quoting="none", header=False, columns=("0",)
    )
    rows = list(iter_rows(path, sniff(path, options)))
    values = [getattr(row, "values", [None])[0] for row in rows]
    names = [fold_label(value or "") for value in values]
    while names and not names[-1]:
        names.pop()
    for line, label in enumerate(names, 1):
        if not label or label in names[: line - 1]:
            raise UserError(
                f"The name {label!r} stands twice." if label else "A label name is blank.",
                where=f"{path}, line {line}",
                remedy="one name a line, each its own; label 0 is the first",
            )
    return names, others


class LabelReader:
    """Turns what stands in the label column into a label.

    Args:
        names: From the names file, by which integers are looked up; None without one.
    """

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        self._known = None if names is None else set(names)
        self._cache: dict[str | None, tuple[str | None, str]] = {}

    def read(self, raw: str | None) -> tuple[str | None, str]:
        """The label, or None and the reason why it is none."""
        if raw not in self._cache:
            self._cache[raw] = self._read(raw)
        return self._cache[raw]

    def _read(self, raw: str | None) -> tuple[str | None, str]:
        label = fold_label(raw or "")
        if not label:
            return None, "the label is empty"
        if self._names is None or self._known is None or label in self._known:
            return label, ""
        if not _INTEGER.fullmatch(label):
            return None, f"the label {label[:40]!r} is not among the {len(self._names)} names"
        if 0 <= int(label) < len(self._names):
            return self._names[int(label)], ""
        return None, f"the label {label} is none of 0 to {len(self._names) - 1}"


def label_map_of(
    frozen: Sequence[str] | None, names: Sequence[str] | None, found: Iterable[str]
) -> dict[str, Any]:
    """The labels in the order of their numbers, and where the order comes from.

    Args:
        frozen: The frozen labels; they are the order from then on, and grow at the end only.
        names: From the file of names.
        found: In the rows.
    """
    if frozen is not None:
        return {"labels": list(frozen), "frozen": True, "order": "frozen.yml"}
    if names is not None:
        return {"labels": list(names), "frozen": False, "order": "label_names"}
    return {"labels": order_labels(found), "frozen": False, "order": "sorted"}


def order_labels(labels: Iterable[str]) -> list[str]:
    """Sorted; by value where all are integers, so that 10 comes after 9."""
    distinct = set(labels)
    if all(_INTEGER.fullmatch(label) for label in distinct):
        return sorted(distinct, key=lambda label: (int(label), label))
    return sorted(distinct)
