"""All versions of a problem's artefacts on disk, and what each was made from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wenliu.datasets.commit import MARKER, last_used, read_marker

#: What a killed save has left is deleted after a day: a run that labels a file takes no lock.
_FORGOTTEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class StoredVersion:
    """One complete version.

    Attributes:
        artefact: Name of the dataset.
        folder: Of the version; its name is the version.
        node: That made it.
        used: Version of the last run that made or reused it.
        inputs: Dataset and version of all that it was made from, or reused for.
    """

    artefact: str
    folder: Path
    node: str | None
    used: str
    inputs: frozenset[tuple[str, str]]

    @property
    def name(self) -> str:
        """The version."""
        return self.folder.name


def stored_versions(project: Path, problem: str) -> list[StoredVersion]:
    """All complete versions of a problem."""
    return [_read(path.parent) for path in sorted(_artefacts(project, problem, f"*/{MARKER}"))]


def incomplete_versions(project: Path, problem: str) -> list[Path]:
    """Folders of versions that were never completed, or whose deletion was cut off."""
    # A version starts with the date, what is written beside it with a dot and that date.
    folders = (*_artefacts(project, problem, "[12]*"), *_artefacts(project, problem, ".[12]*"))
    return [
        folder
        for folder in folders
        if folder.is_dir()
        and not (folder / MARKER).is_file()
        and time.time() - folder.stat().st_mtime > _FORGOTTEN_SECONDS
    ]


def with_ancestors(
    wanted: Iterable[StoredVersion], versions: Iterable[StoredVersion]
) -> set[StoredVersion]:
    """Versions, all that they were made from, and what the same executions made besides.

    A runner that skips takes all outputs of an execution or none.
    """
    versions = list(versions)
    named = {(one.artefact, one.name): one for one in versions}
    executions: dict[tuple[str | None, str], list[StoredVersion]] = {}
    for one in versions:
        executions.setdefault((one.node, one.name), []).append(one)
    found: set[StoredVersion] = set()
    waiting = list(wanted)
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        waiting += [named[key] for key in current.inputs if key in named]
        waiting += executions[current.node, current.name]
    return found


def _artefacts(project: Path, problem: str, pattern: str) -> list[Path]:
    layers = sorted((project / "data").glob("0[2-9]_*"))
    return [path for layer in layers for path in layer.glob(f"{problem}/*/{pattern}")]


def _read(folder: Path) -> StoredVersion:
    marker = read_marker(folder)  # with the inputs of the last reuse
    made_from: dict[str, Any] = json.loads((folder / MARKER).read_text("utf-8")).get("inputs", {})
    return StoredVersion(
        artefact=folder.parent.name,
        folder=folder,
        node=marker.get("node"),
        used=last_used(folder),
        inputs=frozenset({**marker.get("inputs", {})}.items()) | frozenset(made_from.items()),
    )
