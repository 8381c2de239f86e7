"""Files with the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from wenliu.disk import sha256_of
from wenliu.inbox import parse_stored, report_of


def twin_of(path: Path, sha256: str, others: Sequence[Path]) -> Path | None:
    """The first of ``others`` that has the bytes of ``path``.

    Only files that may be one are read: of the same size, and of the same beginning of the checksum
    where their names hold it.
    """
    size = path.stat().st_size
    for other in others:
        stored = parse_stored(other.name)
        if stored and stored[1] != sha256[:12]:
            continue
        if other.stat().st_size == size and sha256_of(other) == sha256:
            return other
    return None


def is_rejected(path: Path) -> bool:
    """Whether a person, not a reader, put a file into quarantine."""
    report = report_of(path)
    return report.is_file() and bool(json.loads(report.read_text("utf-8")).get("rejected"))
