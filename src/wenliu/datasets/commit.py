"""How a version becomes complete: write beside, fsync, rename, then the marker.

A reader looks for the marker and for nothing else, so a save that was killed or ran out of disk is
never seen. A naive writer left 55 of 60 killed saves corrupt, this order 0 of 60
(``docs/decisions/004-complete-versions.md``).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wenliu.disk import fsync, sha256_of, write_atomically
from wenliu.parts import LIST, Parts, checksums

MARKER = "COMPLETE.json"
#: Beside the marker of a version that a later run used instead of making it again.
REUSED = "REUSED.json"


@dataclass(frozen=True)
class Lineage:
    """What made a version.

    Attributes:
        run_id: The Kedro run.
        node: Name of the node.
        inputs: Dataset name to version of every versioned input.
        fingerprint: Hashes of the code, the parameters and the contents of the inputs.
        details: What each of these hashes is made of: to say later what has changed.
    """

    run_id: str | None = None
    node: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    fingerprint: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)


def digest_of(lineage: Lineage) -> str:
    """A lineage's fingerprint as one short text."""
    return "-".join(value[:20] for _, value in sorted(lineage.fingerprint.items())) or "unknown"


def commit(folder: Path, write: Callable[[Path], None], lineage: Lineage) -> dict[str, Any]:
    """Fills ``folder`` through ``write`` so that it is complete or invisible.

    Args:
        folder: The version's folder. It must not be complete yet; incomplete remains go.
        write: Gets an empty folder beside the final one and fills it.
        lineage: Goes into the marker.

    Returns:
        The marker's content.

    Raises:
        FileExistsError: The version is complete already.
    """
    if is_complete(folder):
        raise FileExistsError(f"{folder} is complete and is never written twice")
    beside = folder.parent / f".{folder.name}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        write(beside)
        known, tables = checksums(beside), _table_contents(beside)
        files = {
            path.relative_to(beside).as_posix(): {
                "sha256": known.get(path) or sha256_of(path),
                "bytes": path.stat().st_size,
            }
            for path in sorted(beside.rglob("*"))
            if path.is_file()
        }
        _fsync_tree(beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    fsync(folder.parent)
    marker = {
        "format": 1,
        "version": folder.name,
        **asdict(lineage),
        "content": content_hash(files, tables),
        "files": files,
        "completed_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_atomically(folder / MARKER, json.dumps(marker, indent=1, ensure_ascii=False))
    return marker


def is_complete(folder: Path) -> bool:
    """Whether the marker stands in ``folder``."""
    return (folder / MARKER).is_file()


def read_marker(folder: Path) -> dict[str, Any]:
    """The marker of a complete version, with the inputs that it was last reused for."""
    marker: dict[str, Any] = json.loads((folder / MARKER).read_text("utf-8"))
    return marker | _reuse(folder)


def record_reuse(folder: Path, used: str, inputs: dict[str, str]) -> None:
    """Notes that the run of version ``used`` took this version instead of making it again.

    From then on it counts as newer than versions made before that run, and as made from
    ``inputs``: versions with the same contents as those it was first made from.
    """
    content = {"used": used, "inputs": inputs}
    write_atomically(folder / REUSED, json.dumps(content, indent=1, ensure_ascii=False))


def last_used(folder: Path) -> str:
    """The version of the last run that made or reused this one."""
    return str(_reuse(folder).get("used", folder.name))


def _reuse(folder: Path) -> dict[str, Any]:
    path = folder / REUSED
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return content


def missing_files(folder: Path) -> list[str]:
    """Files of a complete version that are gone or have another size than when it was made.

    The sizes are compared on every load; the checksums, which cost a full read, are compared by
    whoever must not trust the disk (the bundle's own manifest is always checked).
    """
    return [
        name
        for name, expected in read_marker(folder)["files"].items()
        if not (folder / name).is_file() or (folder / name).stat().st_size != expected["bytes"]
    ]


def is_undamaged(folder: Path) -> bool:
    """Whether a version's files are what they were when it was made.

    Only files that were written after the marker are read: nothing of ours does that.
    """
    completed = (folder / MARKER).stat().st_mtime_ns
    return not missing_files(folder) and all(
        sha256_of(folder / name) == expected["sha256"]
        for name, expected in read_marker(folder)["files"].items()
        if (folder / name).stat().st_mtime_ns > completed
    )


def content_hash(files: dict[str, dict[str, Any]], tables: dict[str, str]) -> str:
    """One hash of the names and contents of a version's files.

    Args:
        files: Name to ``sha256`` and more.
        tables: Folder of each table to the hash of its values, which counts instead of its files':
            which columns share one depends on what was remembered.
    """
    others = {
        name: entry["sha256"]
        for name, entry in files.items()
        if name.rpartition("/")[0] not in tables
    }
    lines = "\n".join(f"{name} {digest}" for name, digest in sorted((others | tables).items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _table_contents(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob(LIST):
        table = Parts.open(path.parent)
        names = sorted(table.schema.names)
        values = json.dumps([names, table.part_rows, table.digests(names)])
        place = path.parent.relative_to(folder).as_posix()
        found[place] = hashlib.sha256(values.encode()).hexdigest()
    return found


def _fsync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        fsync(path)
    fsync(folder)
