"""What the record of a night says, from the reports that its stages left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wenliu.errors import UserError
from wenliu.nights import Outcome

#: Sets of rows that a decision scores; only ``gate`` decides.
SETS = ("gate", "audit", "fresh")
_LONGEST_MESSAGE = 300
# An apostrophe within a word is no quote.
_QUOTE = re.compile(r"""(?<!\w)'|'(?!\w)|["“”‘’「」『』《》`]""")

_CONFIGURATION = re.compile(r"(.*/)?conf/|--")

#: Reasons of nights on which no gate decided anything new.
WITHOUT_DECISION: dict[Outcome, str] = {
    "unchanged": "There is nothing new: no model was trained.",
    "refused": "A model was trained, and this pipeline decides nothing about it.",
    "promoted": "Another model serves than before this night.",
}


def outcome_of(*, moved: bool, trained: bool) -> Outcome:
    """What came of a night that ran to its end.

    Args:
        moved: Whether another model serves than before.
        trained: Whether the night trained one.
    """
    if moved:
        return "promoted"
    return "refused" if trained else "unchanged"


def short_decision(decision: Mapping[str, Any], page: str | None) -> dict[str, Any]:
    """What the record keeps of a decision: no flips, which hold texts."""
    failed = [
        f"{group['name']}: {check['name']}"
        for group in decision.get("groups", [])
        for check in group["checks"]
        if not check["passed"]
    ]
    kept = {key: decision.get(key) for key in ("decision", "strategy", "reason")}
    return {**kept, "failed": failed, "page": page}


def scores(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Rows, macro-F1 and accuracy of champion and challenger on each set that was scored."""
    return {
        name: {
            "rows": found["rows"],
            **{
                who: {key: found[who].get(key) for key in ("macro_f1", "accuracy")}
                for who in ("champion", "challenger")
                if found.get(who)
            },
        }
        for name in SETS
        if (found := decision.get(name)) and found.get("rows")
    }


def version_of(model: Mapping[str, Any] | None) -> int | None:
    """Number of a registered version."""
    version = (model or {}).get("version")
    return None if version is None else int(version)


def rows_of(
    files: Iterable[Mapping[str, Any]],
    audit: Mapping[str, Any] | None,
    ingestion: Mapping[str, Any] | None,
) -> dict[str, int]:
    """Where every row of tonight's files has gone.

    Args:
        files: Of tonight's intake.
        audit: ``audit_report``; without it (the run failed before) no row counts as a repeat.
        ingestion: ``ingestion_report``, for the size of the whole table.

    Returns:
        ``rows_in``, which is ``kept + quarantined + duplicates``, and ``total`` where it is known.
    """
    sources = (audit or {}).get("sources", {})
    kept = quarantined = duplicates = 0
    for file in files:
        rows = file["rows"] or 0
        if file["outcome"] == "duplicate":
            duplicates += rows
        elif file["outcome"] == "quarantined":
            quarantined += rows
        elif file["outcome"] == "accepted":
            source = sources.get(file["stored"])
            good = source["rows"] if source else rows - (file["bad_rows"] or 0)
            repeats = source["repeats"] if source else 0
            quarantined += rows - good
            duplicates += repeats
            kept += good - repeats
    counted = {"rows_in": kept + quarantined + duplicates, "kept": kept}
    counted |= {"quarantined": quarantined, "duplicates": duplicates}
    return counted | ({"total": int(ingestion["rows"])} if ingestion else {})


def short_file(file: Mapping[str, Any]) -> dict[str, Any]:
    """What the record keeps of a file that came in."""
    kept = {key: file.get(key) for key in ("name", "outcome", "rows", "bad_rows")}
    return {**kept, "reason": redacted(file.get("reason") or "")}


def short_error(error: BaseException) -> dict[str, str]:
    """Type, message and place, without what may be a cell's value.

    Only our own errors are quoted: they put values in quotes, which are redacted. Others (Arrow's
    for instance) print whole rows, and stand in the log only.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, UserError):
        found = found.__cause__ or found.__context__
    if found is None:
        name = type(error).__name__
        return {
            "type": name,
            "message": f"An unexpected {name}; logs/wenliu.log has more.",
            "where": "",
        }
    # A place in the data names files, which people name as they like.
    where = found.where if found.where and _CONFIGURATION.match(found.where) else ""
    return {"type": "UserError", "message": redacted(found.found), "where": redacted(where)}


def redacted(text: str) -> str:
    """One line without what stands in quotes.

    From the first quote to the last, since a value may hold quotes itself; to the end of the line
    where the quotes are not paired or the sentence was cut, perhaps within a value.
    """
    line = text.strip().split("\n", 1)[0]
    if quotes := list(_QUOTE.finditer(line)):
        whole = len(quotes) % 2 == 0 and line.endswith(".")
        line = f"{line[: quotes[0].start()]}…{line[quotes[-1].end() :] if whole else ''}"
    return line[:_LONGEST_MESSAGE]
