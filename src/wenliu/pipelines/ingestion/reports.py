"""What ingestion found, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from wenliu.pipelines.ingestion.tables import ExampleColumns
from wenliu.readers import ROLES, FileRows
from wenliu.readers.sniffing import delimiter_name

_TABULAR = ("csv", "tsv", "xlsx")


def describe_ingestion(
    columns: Sequence[ExampleColumns],
    files: Sequence[FileRows],
    labels: Sequence[str],
    splits_found: str,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The stage's report.

    Args:
        columns: Judged rows of each file.
        files: How each was read, in the same order.
        labels: In order of their ids.
        splits_found: Where given splits come from.
        warnings: Collected so far.
    """
    counts = Counter(label for each in columns for label in each.label)
    splits = Counter(split for each in columns for split in each.split)
    empty = [label for label in labels if not counts[label]]
    given = {split: splits[split] for split in ("train", "validation", "test") if splits[split]}
    notes = list(warnings)
    if empty:
        notes.append(f"No row has the label {', '.join(map(repr, empty))}.")
    if given and splits[None]:
        notes.append(f"{splits[None]} rows have no split of their own; splitting gives them one.")
    quarantined = sum(len(each.bad) for each in columns)
    if quarantined:
        reasons = _reasons(columns).most_common(3)
        notes.append(
            f"{quarantined} rows are in quarantine: "
            + "; ".join(f"{reason} ({count})" for reason, count in reasons)
        )
    return {
        "rows": sum(counts.values()),
        "quarantined": quarantined,
        "quarantine_reasons": dict(_reasons(columns).most_common()),
        "labels": {label: counts[label] for label in labels},
        "splits": {"found_by": splits_found, **given, "none": splits[None]},
        "groups": len({group for each in columns for group in each.group if group is not None}),
        "files": [_describe(each, file) for each, file in zip(columns, files, strict=True)],
        "warnings": notes,
    }


def _reasons(columns: Sequence[ExampleColumns]) -> Counter[str]:
    # Without the position in the row, which makes every reason its own.
    return Counter(bad.reason.split(" at character ")[0] for each in columns for bad in each.bad)


def _describe(columns: ExampleColumns, file: FileRows) -> dict[str, Any]:
    found, options = file.sniffed, file.sniffed.options
    delimited = options.format in ("csv", "tsv")
    return {
        "source": columns.source,
        "rows": len(columns.line),
        "quarantined": len(columns.bad),
        "format": options.format,
        "compressed": found.compressed,
        "encoding": None if options.format in ("xlsx", "parquet") else options.encoding,
        "delimiter": delimiter_name(options),
        "quoting": options.quoting if delimited else None,
        "header": bool(options.header) if options.format in _TABULAR else None,
        "columns": {role: file.roles[role] for role in ROLES if role in file.values},
        "reasons": dict(found.reasons),
        "sha256": file.sha256,
        "bytes": file.bytes,
    }
