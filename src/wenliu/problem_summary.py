"""What `wenliu new` tells about the files it looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wenliu.display import columns_of_text, shorten
from wenliu.project import command
from wenliu.readers import ROLES, Sniffed
from wenliu.readers.sniffing import delimiter_name

_SHOWN_LABELS = 12
_SHOWN_ROWS = 5
#: What ``splitting.min_rows_per_class`` asks for, in three splits.
_SMALL_CLASS = 6


@dataclass(frozen=True)
class Problem:
    """What was decided for all files together.

    Attributes:
        files: Data files and the file of label names.
        names_file: One of them, or None.
        sniffed: What each data file is.
        labels: Folded and named, with counts.
        without_label: Rows whose label is empty or not among the names.
        splits: File name to split, where names say so.
    """

    files: list[Path]
    names_file: Path | None
    sniffed: list[Sniffed]
    labels: Counter[str]
    without_label: int
    splits: dict[str, str]


def describe(name: str, problem: Problem, written: Sequence[Path]) -> str:
    """What was found and decided, in lines for a terminal."""
    lines: list[str] = []
    told: list[list[tuple[str, str]]] = []
    for found in problem.sniffed:
        about = _about(found)
        decided = [(what, value) for what, value, _ in about]
        # Files that are understood alike are described once, with the reasons of the first.
        if decided not in told:
            told.append(decided)
            alike = [
                each.path.name
                for each in problem.sniffed
                if [(what, value) for what, value, _ in _about(each)] == decided
            ]
            lines += [", ".join(alike), *columns_of_text(about), ""]
    lines += [
        f"{_rows(problem.sniffed)}, {len(problem.labels)} labels",
        "  " + _label_line(problem.labels),
    ]
    if problem.names_file:
        lines.append(f"  label names: {problem.names_file.name}")
    if problem.splits:
        lines.append("  splits: " + ", ".join(f"{k} is {v}" for k, v in problem.splits.items()))
    lines += ["", "First rows", *_first_rows(problem.sniffed[0]), ""]
    lines += [f"Note: {note}" for note in _notes(problem)]
    lines += [
        "Wrote " + ", ".join(map(str, written)),
        f"Next:  {command('kedro')} run --env {name}",
    ]
    return "\n".join(lines)


def _about(found: Sniffed) -> list[tuple[str, str, str]]:
    options, reasons = found.options, found.reasons
    decided: list[tuple[str, str, str]] = [("format", options.format, reasons["format"])]
    if "encoding" in reasons:
        decided.append(("encoding", options.encoding, reasons["encoding"]))
    if "delimiter" in reasons:
        decided.append(("delimiter", str(delimiter_name(options)), reasons["delimiter"]))
        decided.append(("quoting", options.quoting, reasons["quoting"]))
    if "header" in reasons:
        decided.append(("header", "yes" if options.header else "no", reasons["header"]))
    decided += [(k, "", reasons[k]) for k in ("sheet", "skip_rows") if k in reasons]
    decided += [(r, str(found.roles[r]), reasons[r]) for r in ROLES if found.roles[r] is not None]
    return decided


def _rows(sniffed: Sequence[Sniffed]) -> str:
    rows = sum(found.rows for found in sniffed)
    if all(found.complete for found in sniffed):
        return f"{rows:,} rows"
    return f"more than {rows:,} rows, of which these were looked at"


def _label_line(labels: Counter[str]) -> str:
    shown = [f"{label} {count:,}" for label, count in labels.most_common(_SHOWN_LABELS)]
    return ", ".join(shown) + (", ..." if len(labels) > _SHOWN_LABELS else "")


def _first_rows(found: Sniffed) -> list[str]:
    roles = [role for role in ("label", "text", "split", "id") if found.roles[role] is not None]
    rows = [[f"{role}: {found.roles[role]}" for role in roles]]
    for values in found.examples[:_SHOWN_ROWS]:
        row = [values[found.columns.index(str(found.roles[role]))] for role in roles]
        rows.append(
            [
                shorten(value, 60 if role == "text" else 20)
                for role, value in zip(roles, row, strict=True)
            ]
        )
    return columns_of_text(rows)


def _notes(problem: Problem) -> list[str]:
    notes = []
    bad = sum(found.bad_rows for found in problem.sniffed)
    if bad:
        share = bad / (bad + sum(found.rows for found in problem.sniffed))
        stop = "; more than 1 % stop the run, see max_bad_rows" if share > 0.01 else ""
        notes.append(f"{bad} rows cannot be read and go to quarantine ({share:.1%}){stop}.")
    if problem.without_label:
        notes.append(f"{problem.without_label} rows have no known label and go to quarantine.")
    if all(found.complete for found in problem.sniffed):
        small = [f"{k} ({n})" for k, n in problem.labels.items() if n < _SMALL_CLASS]
        if small:
            notes.append(
                f"too few rows to split: {', '.join(small[:_SHOWN_LABELS])}; the run will stop. "
                "Merge or remove these labels."
            )
    return notes
