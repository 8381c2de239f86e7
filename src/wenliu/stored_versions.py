"""All versions of a problem's artefacts on disk, and what each was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wenliu import clock
from wenliu.datasets.commit import MARKER, last_used, read_marker

#: What a killed save has left is deleted after a day: a run that labels a file takes no lock.
_FORGOTTEN_SECONDS = 24 * 3600
#: Kedro's name of a version; with a dot before and a process id after, one that is being written.
_VERSION = re.compile(r"(\.)?\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z(?(1)\.\d+)")
#: Folders beside the artefacts that hold no versions: copies of champions, checkpoints that got a
#: label more, what training has begun. Whoever makes them looks after them.
_OTHERS = frozenset({"champions", "grown", "workspace"})


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
    forgotten = clock.now().timestamp() - _FORGOTTEN_SECONDS
    return [
        folder
        for folder in _artefacts(project, problem, "*")
        if _VERSION.fullmatch(folder.name)
        and folder.is_dir()
        and not (folder / MARKER).is_file()
        and folder.stat().st_mtime < forgotten
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
    return [
        path
        for layer in layers
        for artefact in sorted((layer / problem).glob("*"))
        if artefact.name not in _OTHERS
        for path in artefact.glob(pattern)
    ]


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
