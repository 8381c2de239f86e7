"""What ingestion found, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wenliu.parts import Parts
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.readers import ROLES
from wenliu.readers.sniffing import delimiter_name
from wenliu.text.hashing import digests, numbered

_TABULAR = ("csv", "tsv", "xlsx")


def describe_ingestion(
    tallies: Sequence[FileTally],
    good: Parts,
    labels: Sequence[str],
    splits_found: str,
    findings: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The stage's report.

    Args:
        tallies: What was counted in each file.
        good: The good rows.
        labels: In order of their ids.
        splits_found: Where given splits come from.
        findings: Of the guard.
        warnings: Collected so far.
    """
    counts: Counter[str] = sum((each.labels for each in tallies), Counter())
    splits: Counter[str | None] = sum((each.splits for each in tallies), Counter())
    reasons: Counter[str] = sum((each.reasons for each in tallies), Counter())
    empty = [label for label in labels if not counts[label]]
    given = {split: splits[split] for split in ("train", "validation", "test") if splits[split]}
    notes = [*warnings, *(each["words"] for each in findings if each["verdict"] == "warn")]
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
        "groups": _count_groups(good) if any(each.has_groups for each in tallies) else 0,
        "files": [_describe(each) for each in tallies],
        "guard": list(findings),
        "warnings": notes,
    }


def _count_groups(good: Parts) -> int:
    found = [np.empty((0, 2), np.uint64)]
    for batch in good.batches(["group"]):
        found.append(digests(batch["group"].unique().drop_null().to_pylist()))
    return len(numbered(np.concatenate(found))[1])


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
