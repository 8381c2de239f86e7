"""The champion on disk: ``champion`` and ``previous`` are links into ``champions/<version>/``.

Whoever serves needs neither MLflow nor its database: it follows the link. A link is replaced in
one step, and what it leads to is complete and verified before, so there is a champion to load at
any moment, also after ``kill -9``.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from wenliu.disk import fsync
from wenliu.errors import UserError
from wenliu.serving.locate import BUNDLES, CHAMPION, PREVIOUS
from wenliu.serving.manifest import read_files, read_manifest


class LostBundle(UserError):
    """The bundle of a version is nowhere undamaged."""


class ChampionFolder:
    """The folders of a problem's champions.

    Args:
        project: Its root.
        problem: As in ``globals.yml``.
    """

    def __init__(self, project: Path, problem: str) -> None:
        self.home = project / BUNDLES / problem
        self.copies = self.home / "champions"

    def shown(self, name: str) -> Path | None:
        """The real folder that a link leads to; None where it leads nowhere."""
        path = self.home / name
        return path.resolve() if path.is_dir() else None

    def is_linked(self, name: str) -> bool:
        """Whether there is a link of ours, wherever it leads."""
        return (self.home / name).is_symlink()

    def copy_of(self, number: int, sha256: str) -> Path | None:
        """A folder on this machine that says of itself to be this bundle; it is not verified."""
        copied = self.copies / str(number)
        return copied if _content_of(copied) == sha256 else next(self._exported(sha256), None)

    def fill(self, number: int, sha256: str, download: Callable[[], Path | None]) -> Path:
        """The verified copy of a version's bundle, made again if it is missing or damaged.

        Args:
            number: Of the registered version.
            sha256: Of the bundle's content, as registered.
            download: Gets it from the registry, when no export on this machine has it.

        Raises:
            LostBundle: It is nowhere undamaged.
        """
        folder = self.copies / str(number)
        if (wrong := what_is_wrong(folder, sha256)) is None:
            return folder
        if folder.exists():
            logging.getLogger(__name__).warning("%s is made again: %s", folder, wrong)
        damaged = [f"{folder}: {wrong}"]
        for source in self._sources(sha256, download):
            if (wrong := what_is_wrong(source, sha256)) is None:
                return self._copy(source, number, sha256)
            damaged.append(f"{source}: {wrong}")
        raise LostBundle(
            f"The bundle of version {number} is nowhere undamaged.",
            where="; ".join(damaged[:3]),
            remedy="choose another version: wenliu rollback --to VERSION",
        )

    def show(self, name: str, number: int | None) -> None:
        """Turns a link to the copy of a version, or removes it, in one step."""
        link = self.home / name
        if number is None:
            link.unlink(missing_ok=True)
            return
        target = Path(self.copies.name) / str(number)
        if link.is_symlink() and link.readlink() == target:
            return
        if link.is_dir() and not link.is_symlink():
            # Somebody has put a folder there by hand: it is kept under another name.
            link.rename(self.home / f"{name}.replaced-by-{number}")
        beside = self.home / f".{name}.{os.getpid()}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        beside.replace(link)
        fsync(self.home)

    def _exported(self, sha256: str) -> Iterator[Path]:
        """Complete versions of the bundle with this content, the newest first."""
        for marker in sorted(self.home.glob("bundle/*/COMPLETE.json"), reverse=True):
            if _content_of(folder := marker.with_name("bundle")) == sha256:
                yield folder

    def _sources(self, sha256: str, download: Callable[[], Path | None]) -> Iterator[Path]:
        yield from self._exported(sha256)
        if (downloaded := download()) is not None:
            yield downloaded

    def _copy(self, source: Path, number: int, sha256: str) -> Path:
        folder, beside = self.copies / str(number), self.copies / f".{number}.{os.getpid()}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            for path in source.iterdir():
                shutil.copyfile(path, beside / path.name)
                fsync(beside / path.name)
            if wrong := what_is_wrong(beside, sha256):
                raise UserError("The copy of a bundle is not its original.", where=wrong)
            fsync(beside)
            if folder.exists():
                damaged = self.copies / f".{number}.damaged.{os.getpid()}"
                folder.rename(damaged)
                beside.rename(folder)
                shutil.rmtree(damaged)
            else:
                beside.rename(folder)
            fsync(self.copies)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return folder

    def sweep(self) -> None:
        """Deletes what a killed copy has left. Only under the problem's lock."""
        for path in self.copies.glob(".[0-9]*"):
            shutil.rmtree(path, ignore_errors=True)
        for name in (CHAMPION, PREVIOUS):
            for path in self.home.glob(f".{name}.[0-9]*"):
                path.unlink(missing_ok=True)


def _content_of(folder: Path) -> str | None:
    """What a folder's manifest says that it is."""
    try:
        return str(read_manifest(folder)["content_sha256"])
    except (UserError, OSError):
        return None


def what_is_wrong(folder: Path, sha256: str) -> str | None:
    """Why a folder is not the bundle with this content; None: every byte of it was checked."""
    if not folder.is_dir():
        return "missing"
    try:
        manifest = read_manifest(folder)
        if manifest["content_sha256"] != sha256:
            return f"it is the bundle {manifest['content_sha256'][:12]}, not {sha256[:12]}"
        read_files(folder, manifest, ())
    except (UserError, OSError) as error:
        return getattr(error, "found", None) or str(error)
    return None
