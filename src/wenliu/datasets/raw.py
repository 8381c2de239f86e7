"""The raw files of a problem."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.errors import UserError
from wenliu.inbox import ACCEPTED, stored_files
from wenliu.project import find_project

_GLOB = frozenset("*?[")


class RawFiles(AbstractDataset[Any, Any]):
    """Paths of raw files: those that came with the problem, then what came through its inbox.

    Args:
        path: A file, a folder or a glob. In a folder every file counts but hidden ones, Markdown
            and links; sub-folders are not entered.
        files: Names or globs inside ``path``, when not all of it is meant.
        accepted: Folder of the files that came through the inbox; relative to the project.
            Default: the folder ``accepted`` in ``path``, where that is a folder.
        metadata: For Kedro-Viz.
    """

    def __init__(
        self,
        path: str,
        files: list[str] | None = None,
        accepted: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._path = path
        self._files = files
        self._accepted = accepted
        self.metadata = metadata

    @property
    def accepted(self) -> Path:
        """Folder of the files that came through the inbox."""
        if self._accepted is None:
            return Path(self._path) / ACCEPTED
        # Kedro makes `path` absolute, and no other argument.
        return find_project() / self._accepted

    def load(self) -> list[Path]:
        """The files that came with the problem, by name, then those of the inbox, oldest first.

        What comes later stands last: rows keep their places when files come.

        Raises:
            UserError: There are none.
        """
        found = self._found()
        if not found:
            raise UserError(
                "There are no raw files.",
                where=", ".join(self._patterns()),
                remedy="put files there, or make a problem from a file of yours: "
                "wenliu new NAME --from FILE",
            )
        return found

    def save(self, data: Any) -> None:
        """Raw files are never written."""
        raise UserError("Raw files are read only.", where=self._path)

    def _found(self) -> list[Path]:
        own = {path for pattern in self._patterns() for path in _matching(pattern)}
        return sorted(own) + stored_files(self.accepted)

    def _patterns(self) -> list[str]:
        if self._files is not None:
            return [str(Path(self._path) / name) for name in self._files]
        return [str(Path(self._path) / "*") if Path(self._path).is_dir() else self._path]

    def _exists(self) -> bool:
        return bool(self._found())

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path, "files": self._files, "accepted": self._accepted}


def _matching(pattern: str) -> list[Path]:
    path = Path(pattern)
    if not _GLOB & set(path.name):
        # A file that was named outright is taken whatever it is called.
        return [path] if path.is_file() else []
    found = []
    for candidate in path.parent.glob(path.name):
        if candidate.name.startswith(".") or candidate.suffix.lower() == ".md":
            continue
        if candidate.is_symlink():
            logging.getLogger(__name__).warning("A link among raw files is left out: %s", candidate)
        elif candidate.is_file():
            found.append(candidate)
    return found
