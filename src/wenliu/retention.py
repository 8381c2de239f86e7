"""What is kept, and what goes: so that a year of nights fits on a disk.

Of registered models the named ones stay (champion, previous, challenger), the best, the last seven
and one a week for eight weeks. On disk stays what these were made from, and the last seven versions
of every artefact with what those were made from: a run that skips finds what it always found.
Raw files and records of nights are never touched; workspaces of training look after themselves.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu import clock
from wenliu.datasets.commit import MARKER
from wenliu.disk import fsync
from wenliu.lock import problem_lock
from wenliu.model_artifacts import ModelArtifacts
from wenliu.model_store import Version
from wenliu.registry import Registry
from wenliu.stored_versions import (
    StoredVersion,
    incomplete_versions,
    stored_versions,
    with_ancestors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: Kept whatever their age, and one of each week for so many weeks.
LAST, WEEKS = 7, 8


@dataclass(frozen=True)
class Item:
    """Something that goes.

    Attributes:
        what: In words.
        folders: On this machine; none for what only a server has.
        bytes: That become free: a file with other names elsewhere frees nothing.
    """

    what: str
    folders: tuple[Path, ...]
    bytes: int = 0


@dataclass(frozen=True)
class Pruned:
    """What went, or would go.

    Attributes:
        problem: As in ``globals.yml``.
        dry_run: Nothing was deleted.
        items: One for each thing.
        kept: Numbers of the registered versions that stay.
    """

    problem: str
    dry_run: bool
    items: tuple[Item, ...]
    kept: tuple[int, ...] = field(default=())

    @property
    def bytes(self) -> int:
        """That became, or would become, free."""
        return sum(item.bytes for item in self.items)


def prune(project: Path, problem: str, dry_run: bool = False) -> Pruned:
    """Deletes what nobody needs any more.

    A killed call leaves nothing half deleted that anybody would load: a version loses its marker,
    or its place in the registry, before its files.

    Args:
        project: Its root.
        problem: As in ``globals.yml``.
        dry_run: Only say what would go.

    Raises:
        UserError: MLflow does not answer: without its aliases nothing is deleted.
        SystemExit: With code 75: a run of the problem is going on.
    """
    project = project.resolve()
    if dry_run:
        return _listed(_Plan(project, problem), dry_run=True)
    with problem_lock(project, problem, "wenliu prune"):
        plan = _Plan(project, problem)
        pruned = _listed(plan, dry_run=False)
        plan.carry_out()
        return pruned


def kept_versions(versions: Sequence[Version], named: Collection[int], now: datetime) -> set[int]:
    """Numbers of the registered versions that stay.

    Args:
        versions: All of them, in any order.
        named: Numbers that have an alias or are kept for another reason.
        now: The time from which weeks are counted back.
    """
    newest_first = sorted(versions, key=lambda one: one.number, reverse=True)
    kept = {one.number for one in newest_first if one.number in named}
    kept |= {one.number for one in newest_first[:LAST]}
    weeks: dict[tuple[int, int], int] = {}
    for one in newest_first:
        if now - one.created < timedelta(weeks=WEEKS):
            weeks.setdefault(one.created.isocalendar()[:2], one.number)
    return kept | set(weeks.values())


class _Plan:
    """Everything that goes, looked up once."""

    def __init__(self, project: Path, problem: str) -> None:
        self.problem = problem
        self.registry = Registry(project, problem)
        versions = self.registry.versions()
        named = set(self.registry.store.aliases().values())
        if best := self.registry.best():
            named.add(best["version"])
        self.kept = kept_versions(versions, named, clock.now())
        kept = [one for one in versions if one.number in self.kept]
        self.models = [one for one in versions if one.number not in self.kept]
        self.artifacts = ModelArtifacts(self.registry.store, kept, self.models, LAST)
        self.stored = _unneeded(project, problem, {one.sha256 for one in kept})
        self.copies = _unused_copies(self.registry, named)
        self.leftovers = incomplete_versions(project, problem)

    def carry_out(self) -> None:
        """Deletes: first what needs no room on a full disk, then what MLflow has to write down.

        Cut off in between, a version that goes is still whole in MLflow.
        """
        from wenliu import memo, put_aside

        for stored in self.stored:
            (stored.folder / MARKER).unlink()
            fsync(stored.folder)
            shutil.rmtree(stored.folder)
        for folder in (*self.copies, *self.leftovers):
            shutil.rmtree(folder, ignore_errors=True)
        put_aside.sweep_forgotten()
        memo.sweep()
        for version in self.models:
            self.registry.delete(version.number)
        self.artifacts.delete()


def _listed(plan: _Plan, dry_run: bool) -> Pruned:
    freed = _freed_by([*plan.artifacts.folders, *(one.folder for one in plan.stored), *plan.copies,
                       *plan.leftovers])  # fmt: skip

    def item(what: str, *folders: Path) -> Item:
        return Item(what, folders, sum(freed(folder) for folder in folders))

    items = [
        *(item(f"model version {one.number} of {one.created:%Y-%m-%d}") for one in plan.models),
        *(item("files of a model in MLflow", path) for path in plan.artifacts.model_folders),
        *(item("files of an old run in MLflow", path) for path in plan.artifacts.run_folders),
        *(item(f"{one.artefact} of {one.name}", one.folder) for one in plan.stored),
        *(item(f"copy of the earlier champion {path.name}", path) for path in plan.copies),
        *(item("remains of something that was cut off", path) for path in plan.leftovers),
    ]
    return Pruned(plan.problem, dry_run, tuple(items), tuple(sorted(plan.kept, reverse=True)))


def describe(pruned: Pruned) -> str:
    """What went, or would go, for the terminal."""
    if not pruned.items:
        return f"{pruned.problem}: there is nothing that nobody needs."
    would = "would go" if pruned.dry_run else "went"
    lines = [
        f"  {item.bytes / 1e6:9.1f} MB  {item.what}" + "".join(f"  {one}" for one in item.folders)
        for item in pruned.items
    ]
    kept = ", ".join(map(str, pruned.kept)) or "none"
    things = "1 thing" if len(pruned.items) == 1 else f"{len(pruned.items)} things"
    after = "\nNext: the same without --dry-run" if pruned.dry_run else ""
    return (
        "\n".join(lines) + f"\n\n{pruned.problem}: {things} {would}, "
        f"{pruned.bytes / 1e6:,.1f} MB. Model versions kept: {kept}.{after}"
    )


def _unneeded(project: Path, problem: str, bundles: set[str]) -> list[StoredVersion]:
    """Versions that neither a kept model nor the last runs are made from."""
    versions = stored_versions(project, problem)
    by_artefact: dict[str, list[StoredVersion]] = {}
    for one in versions:
        by_artefact.setdefault(one.artefact, []).append(one)
    wanted = [
        one
        for same in by_artefact.values()
        for one in sorted(same, key=lambda one: one.used, reverse=True)[:LAST]
    ]
    runs = {one.name for one in by_artefact.get("bundle", []) if _sha256_of(one) in bundles}
    wanted += [one for one in versions if one.name in runs]
    kept = with_ancestors(wanted, versions)
    return [one for one in versions if one not in kept]


def _sha256_of(bundle: StoredVersion) -> str:
    from wenliu.serving.manifest import read_manifest

    return str(read_manifest(bundle.folder / "bundle")["content_sha256"])


def _unused_copies(registry: Registry, named: set[int]) -> list[Path]:
    links = [registry.folders.shown(name) for name in ("champion", "previous")]
    return [
        path
        for path in sorted(registry.folders.copies.glob("[0-9]*"))
        if path.name.isdigit() and int(path.name) not in named and path.resolve() not in links
    ]


def _freed_by(folders: Iterable[Path]) -> Callable[[Path], int]:
    """How many bytes each folder frees when all of them go: a file with a name elsewhere stays."""
    names: dict[tuple[int, int], list[Path]] = {}
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    for folder in folders:
        for status in _files(folder):
            key = (status.st_dev, status.st_ino)
            names.setdefault(key, []).append(folder)
            sizes[key] = status.st_size, status.st_nlink
    freed: dict[Path, int] = {}
    for key, (size, links) in sizes.items():
        if len(names[key]) == links:
            freed[names[key][0]] = freed.get(names[key][0], 0) + size
    return lambda folder: freed.get(folder, 0)


def _files(folder: Path) -> Iterator[os.stat_result]:
    for path in folder.rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            yield status
