"""What is counted in a raw file while its rows go by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import lt
from typing import Any, Self

from wenliu.pipelines.ingestion.splits import UNKNOWN_SPLIT
from wenliu.readers import BadRow, RawFile

#: As many first bad rows of a file as a message may show.
_FIRST_BAD_ROWS = 3
#: Longer texts count as so long: the median is what is asked for.
_LONGEST = 10_000


@dataclass
class FileTally:
    """What was counted in one file.

    Attributes:
        source: What the file is called in ids.
        file: How it is read.
        rows: Good ones.
        labels: Of the good rows.
        splits: Of the good rows; None where a row has none of its own.
        lengths: Characters of the texts of the good rows.
        reasons: Why rows are bad, without the position in the row, which makes each its own.
        first_bad: The first bad rows.
        unknown_split: The first reason that is an unknown split.
        has_ids: Whether a row has an id of its own.
        has_groups: Whether a row is in a group.
        lines_ascend: Whether every good row begins in a line of its own.
        last_line: Where the last good row begins.
    """

    source: str
    file: RawFile
    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str | None] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    first_bad: list[BadRow] = field(default_factory=list)
    unknown_split: str = ""
    has_ids: bool = False
    has_groups: bool = False
    lines_ascend: bool = True
    last_line: int = 0

    @classmethod
    def of(cls, source: str, file: RawFile, counts: Mapping[str, Any]) -> Self:
        """From :meth:`counts` that JSON has kept."""
        counters = {name: Counter(dict(counts[name])) for name in _COUNTERS}
        first = [BadRow(*row) for row in counts["first_bad"]]
        return cls(source, file, **{**counts, **counters, "first_bad": first})

    def counts(self) -> dict[str, Any]:
        """Everything but what the file is, as JSON can keep it."""
        kept = {k: v for k, v in vars(self).items() if k not in ("source", "file")}
        return kept | {name: list(getattr(self, name).items()) for name in _COUNTERS}

    @property
    def bad(self) -> int:
        """Bad rows."""
        return self.reasons.total()

    def add_good(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Counts good rows, given by column."""
        lines = columns["line"]
        self.rows += len(lines)
        self.labels.update(columns["label"])
        self.splits.update(columns["split"])
        self.lengths.update(min(len(text), _LONGEST) for text in columns["text"])
        self.has_groups = self.has_groups or any(columns["group"])
        self.has_ids = self.has_ids or any(columns["given_id"])
        self.lines_ascend = self.lines_ascend and all(map(lt, [self.last_line, *lines], lines))
        self.last_line = lines[-1] if lines else self.last_line

    def add_bad(self, rows: Sequence[BadRow]) -> None:
        """Counts bad rows."""
        self.reasons.update(row.reason.split(" at character ")[0] for row in rows)
        self.first_bad += rows[: _FIRST_BAD_ROWS - len(self.first_bad)]
        unknown = (row.reason for row in rows if row.reason.startswith(UNKNOWN_SPLIT))
        self.unknown_split = self.unknown_split or next(unknown, "")


_COUNTERS = ("labels", "splits", "lengths", "reasons")
