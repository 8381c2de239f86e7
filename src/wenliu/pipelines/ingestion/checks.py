"""What stops an ingestion although every file could be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wenliu.errors import UserError
from wenliu.inbox import came_by_inbox, parse_stored
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.splits import UNKNOWN_SPLIT
from wenliu.readers import RawFile
from wenliu.readers.guessing import MAX_LABELS, NO_SPLITS

if TYPE_CHECKING:
    from wenliu.pipelines.ingestion.tallies import FileTally

#: Bad rows that a message shows.
_SHOWN_BAD_ROWS = 3


def refuse_too_many_bad_rows(tallies: Sequence[FileTally], allowed: float) -> None:
    """Stops above a share of bad rows.

    Raises:
        UserError: Showing the first of them.
    """
    bad = sum(tally.bad for tally in tallies)
    rows = sum(tally.rows for tally in tallies) + bad
    if bad <= allowed * rows:
        return
    first = [(tally.source, row) for tally in tallies for row in tally.first_bad]
    shown = "; ".join(
        f"{source}, line {row.line}"
        + (f", column {row.column!r}" if row.column else "")
        + f": {row.reason}"
        for source, row in first[:_SHOWN_BAD_ROWS]
    )
    remedy = "mend the rows, or raise ingestion.max_bad_rows to go on without them"
    if unknown := next((tally.unknown_split for tally in tallies if tally.unknown_split), ""):
        value = unknown.removeprefix(UNKNOWN_SPLIT).split(" is unknown")[0].strip()
        remedy = f"say what {value} is, e.g. ingestion.split_values: {{{value}: test}}; or {remedy}"
    raise UserError(
        f"{bad} of {rows} rows are bad ({bad / rows:.1%}); {allowed:.1%} are allowed.",
        where=shown + ("; ..." if bad > _SHOWN_BAD_ROWS else ""),
        remedy=remedy,
    )


def check_label_count(tallies: Sequence[FileTally], labels: Sequence[str]) -> None:
    """Refuses what no classifier can learn.

    Raises:
        UserError: There is one label, or about as many as rows.
    """
    rows = sum(tally.rows for tally in tallies)
    if len(labels) < 2:
        raise UserError(
            f"All {rows} rows have the label {labels[0]!r}." if labels else "There are no rows.",
            where=", ".join(tally.source for tally in tallies),
            remedy="a classifier needs two labels; check ingestion.columns.label, and whether "
            "ingestion.limit takes the first rows of a sorted file",
        )
    if len(labels) > MAX_LABELS and 2 * len(labels) > rows:
        raise UserError(
            f"There are {len(labels)} labels in {rows} rows: that is no column of labels.",
            where=", ".join(tally.source for tally in tallies),
            remedy="give ingestion.columns.label",
        )


def splits_passed_over(files: Sequence[RawFile], params: IngestionParams) -> list[str]:
    """Warnings about columns that may be splits and are not used as such.

    Raises:
        UserError: Values of a split column are named, and there is no such column.
    """
    if params.split_values and not any(file.has("split") for file in files):
        raise UserError(
            "Values of a split column are given, but no column of splits was found.",
            where="ingestion.split_values",
            remedy="name the column in ingestion.columns.split",
        )
    reasons = {file.sniffed.reasons["split"]: None for file in files if not file.has("split")}
    return [
        f"Not used as splits: {reason.removeprefix(NO_SPLITS).split(': ', 1)[-1]}; if it is one, "
        "give ingestion.columns.split and ingestion.split_values."
        for reason in reasons
        if reason != NO_SPLITS and reason.startswith(NO_SPLITS)
    ]


def check_unchanged(files: Sequence[RawFile]) -> None:
    """Refuses accepted files whose content is not the one that was accepted.

    Raises:
        UserError: Naming the first.
    """
    for file in files:
        path = file.sniffed.path
        stored = parse_stored(path.name) if came_by_inbox(path) else None
        if stored and not file.sha256.startswith(stored[1]):
            raise UserError(
                "An accepted file was changed after it had been accepted.",
                where=str(path),
                remedy="restore it, or drop the changed file into the inbox as a new one and take "
                f"this one out: wenliu inbox reject '{path.name}'",
            )
