"""What the record of a night says, from the reports that its stages left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from wenliu.errors import UserError
from wenliu.nights import Night, Outcome

#: Sets of rows that a decision scores; only ``gate`` decides.
SETS = ("gate", "audit", "fresh")
NOTHING_NEW = "There is nothing new: no model was judged."
UNREADABLE = "The decision cannot be read: logs/wenliu.log says why."
#: Told instead of an error that may name a file or a value.
UNTOLD = "What stopped the run may name data: `wenliu status` and logs/wenliu.log say what it was."
_LONGEST_MESSAGE = 300
# An apostrophe within a word is no quote.
_QUOTE = re.compile(r"""(?<!\w)'|'(?!\w)|["“”‘’「」『』《》`]""")
#: A file of configuration with its line, an option of a command, or a stage, and nothing else.
_CONFIGURATION = re.compile(
    r"(?:.*/)?(?P<file>conf/[^,;]+\.ya?ml(?::\d+)?)"
    r"|--[a-z-]+(?: on the command line)?|the stage \w+"
)


def outcome_of(decision: Mapping[str, Any] | None, *, decided: bool, moved: bool) -> Outcome:
    """What came of a night that ran to its end.

    Args:
        decision: The one that stands, made tonight or earlier.
        decided: Whether it was made or carried out tonight. A model that an interrupted night has
            trained is judged by a later one, so training says nothing.
        moved: Whether another model serves than after the start, when links were mended.
    """
    if moved:
        return "promoted"
    return "refused" if decided and not (decision or {}).get("unchanged") else "unchanged"


def short_decision(decision: Mapping[str, Any], page: str | None) -> dict[str, Any]:
    """What the record keeps of a decision: no flips, which hold texts."""
    failed = [
        f"{group['name']}: {check['name']}"
        for group in decision.get("groups", [])
        for check in group["checks"]
        if not check["passed"]
    ]
    kept = {key: decision.get(key) for key in ("decision", "unchanged", "strategy", "reason")}
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
    return {**kept, "reason": _first_line(file.get("reason") or "")}


def short_error(error: BaseException) -> dict[str, str]:
    """Type, message and place of an error, for the record on this machine.

    Only our own errors are quoted. Others (Arrow's for instance) print whole rows, and stand in
    the log only.
    """
    found: BaseException | None = error
    while found is not None and not isinstance(found, UserError):
        found = found.__cause__ or found.__context__
    if found is None:
        name = type(error).__name__
        message = f"An unexpected {name}; logs/wenliu.log has more."
        return {"type": name, "message": message, "where": ""}
    where = _first_line(found.where or "")
    return {"type": "UserError", "message": _first_line(found.found), "where": where}


def reason_of(error: Mapping[str, str]) -> str:
    """Message and place in one sentence."""
    if not error["where"]:
        return error["message"]
    return f"{error['message'].removesuffix('.')} ({error['where']})."


def without_data(night: Night) -> Night:
    """The night as it may be told to others: no text, name of a file or value of a cell.

    Of our own errors only those about the configuration are told: all others may name files and
    values, whether in quotes or not.
    """
    if night.error is None or night.error["type"] != "UserError":
        return night
    place = _CONFIGURATION.fullmatch(night.error["where"])
    if place is None:
        error = {"type": "UserError", "message": UNTOLD, "where": ""}
    else:
        # Folders above the project are named by people, too.
        where = place["file"] or place[0]
        error = {"type": "UserError", "message": redacted(night.error["message"]), "where": where}
    return replace(night, error=error, reason=reason_of(error))


def redacted(text: str) -> str:
    """A line without what stands in quotes.

    From the first quote to the last, since a value may hold quotes itself; to the end of the line
    where the quotes are not paired or the sentence was cut, perhaps within a value.
    """
    quotes = list(_QUOTE.finditer(text))
    if not quotes:
        return text
    whole = len(quotes) % 2 == 0 and text.endswith(".")
    return f"{text[: quotes[0].start()]}…{text[quotes[-1].end() :] if whole else ''}"


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:_LONGEST_MESSAGE]
