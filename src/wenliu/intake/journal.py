"""What an intake is about to do to each file, on disk before it does it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from wenliu.disk import fsync, write_atomically
from wenliu.inbox import IntakeFile

#: Key of the lines that say that a file is being read.
_TRY = "reading"


class Journal:
    """A file of lines among the claimed files, as long as an intake is not over.

    Attributes:
        stamp: Of the names of this intake's files. An intake that goes on with a killed one keeps
            that one's stamp: together they are the newest data.
        record: File in which this intake will be recorded.
        files: What was noted so far.
    """

    NAME: ClassVar[str] = ".journal"

    def __init__(
        self,
        path: Path,
        stamp: str,
        record: Path,
        files: list[IntakeFile],
        tries: list[dict[str, Any]],
    ) -> None:
        self._path = path
        self._tries = tries
        self.stamp = stamp
        self.record = record
        self.files = files

    @classmethod
    def open(cls, folder: Path, records: Path, stamp: str) -> Journal:
        """The journal that a killed intake left in ``folder``, else a new one.

        Args:
            folder: Of the claimed files.
            records: Of the records of intakes.
            stamp: Of tonight: of the record, and of files if no intake was killed.
        """
        path = folder / cls.NAME
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        found: list[dict[str, Any]] = [entry for line in lines if (entry := _parsed(line))]
        record = records / f"{stamp}.json"
        if found and (records / found[0]["record"]).exists():
            found = []  # killed after everything was done
        if found:
            stamp = found[0]["stamp"]
        tries = [entry for entry in found[1:] if _TRY in entry]
        files = [IntakeFile(**entry) for entry in found[1:] if _TRY not in entry]
        # Written anew: the last line may be half a line.
        content = [{"stamp": stamp, "record": record.name}, *tries, *map(asdict, files)]
        write_atomically(path, "".join(_line(entry) for entry in content))
        return cls(path, stamp, record, files, tries)

    def note(self, file: IntakeFile) -> None:
        """Writes down what is about to happen to a file."""
        self._append(asdict(file))
        self.files.append(file)

    @contextmanager
    def reading(self, name: str, sha256: str) -> Iterator[None]:
        """Writes down that a file is being read, which may be the end of this process.

        Whoever can still raise was not killed by the file: a full disk, an interrupt.
        """
        entry = {_TRY: name, "sha256": sha256}
        self._append(entry | {"alive": False})
        try:
            yield
        except BaseException:
            self._append(entry | {"alive": True})
            raise

    def deaths(self, name: str, sha256: str) -> int:
        """How many intakes before this one have died while they read a file."""
        entry = {_TRY: name, "sha256": sha256}
        died, raised = (self._tries.count(entry | {"alive": alive}) for alive in (False, True))
        return died - raised

    def unfinished(
        self, name: str, sha256: str, place: Callable[[IntakeFile], Path]
    ) -> IntakeFile | None:
        """What was noted for a claimed file and has not happened yet."""
        for file in self.files:
            same = (file.name, file.sha256) == (name, sha256)
            if same and (file.outcome == "duplicate" or not place(file).exists()):
                return file
        return None

    def _append(self, entry: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(_line(entry))
            lines.flush()
            os.fsync(lines.fileno())

    def close(self) -> None:
        """The intake is over, and its record is on disk."""
        self._path.unlink()
        fsync(self._path.parent)


def _line(entry: dict[str, object]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry
