"""What ingestion found, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from wenliu.pipelines.ingestion.judging import FileTally
from wenliu.readers import ROLES
from wenliu.readers.sniffing import delimiter_name
from wenliu.text.hashing import numbered

_TABULAR = ("csv", "tsv", "xlsx")


def describe_ingestion(
    tallies: Sequence[FileTally],
    labels: Sequence[str],
    splits_found: str,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The stage's report.

    Args:
        tallies: What was counted in each file.
        labels: In order of their ids.
        splits_found: Where given splits come from.
        warnings: Collected so far.
    """
    counts: Counter[str] = sum((each.labels for each in tallies), Counter())
    splits: Counter[str | None] = sum((each.splits for each in tallies), Counter())
    reasons: Counter[str] = sum((each.reasons for each in tallies), Counter())
    _, groups = numbered(np.concatenate([block for each in tallies for block in each.groups]))
    empty = [label for label in labels if not counts[label]]
    given = {split: splits[split] for split in ("train", "validation", "test") if splits[split]}
    notes = list(warnings)
    if empty:
        notes.append(f"No row has the label {', '.join(map(repr, empty))}.")
    if given and splits[None]:
        notes.append(f"{splits[None]} rows have no split of their own; splitting gives them one.")
    quarantined = reasons.total()
    if quarantined:
        notes.append(
            f"{quarantined} rows are in quarantine: "
            + "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        )
    return {
        "rows": sum(counts.values()),
        "quarantined": quarantined,
        "quarantine_reasons": dict(reasons.most_common()),
        "labels": {label: counts[label] for label in labels},
        "splits": {"found_by": splits_found, **given, "none": splits[None]},
        "groups": len(groups),
        "files": [_describe(each) for each in tallies],
        "warnings": notes,
    }


def _describe(tally: FileTally) -> dict[str, Any]:
    file = tally.file
    found, options = file.sniffed, file.sniffed.options
    delimited = options.format in ("csv", "tsv")
    return {
        "source": tally.source,
        "rows": tally.rows,
        "quarantined": tally.bad,
        "format": options.format,
        "compressed": found.compressed,
        "encoding": None if options.format in ("xlsx", "parquet") else options.encoding,
        "delimiter": delimiter_name(options),
        "quoting": options.quoting if delimited else None,
        "header": bool(options.header) if options.format in _TABULAR else None,
        "columns": {role: file.roles[role] for role in ROLES if file.has(role)},
        "reasons": dict(found.reasons),
        "sha256": file.sha256,
        "bytes": file.bytes,
    }
