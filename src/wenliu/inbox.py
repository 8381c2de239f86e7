"""Where the files that people drop go, what they are called there, and what an intake noted.

::

    data/01_raw/<problem>/inbox/       people drop files here
                          inbox/.claimed/   an intake is reading these
                          accepted/    read by every run from now on; never changed
                          quarantine/  put aside, each with a ``.report.json`` that says why
                          intake/      what each intake did, one file each

The work is done in ``wenliu.intake``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

#: ``<stamp>_<sha12>_<name>``: files of one intake share the stamp; the newest is the newest data.
_STORED = re.compile(r"(\d{8}T\d{6}Z)_([0-9a-f]{12})_(.+)", re.DOTALL)
_STAMP = "%Y%m%dT%H%M%SZ"
#: Of a stored name, so that a report's name still fits into the 255 bytes of a file system.
_NAME_BYTES = 200
#: Beside a file in quarantine.
REPORT = ".report.json"

ACCEPTED = "accepted"
CLAIMED = ".claimed"

Outcome = Literal["accepted", "duplicate", "quarantined", "waiting"]


@dataclass(frozen=True)
class Folders:
    """The folders of a problem's raw files.

    Attributes:
        root: ``data/01_raw/<problem>``.
    """

    root: Path

    @classmethod
    def of(cls, project: Path, problem: str) -> Folders:
        """Those of ``problem``; none of them needs to be there."""
        return cls(project / "data" / "01_raw" / problem)

    @property
    def inbox(self) -> Path:
        """Where people drop files."""
        return self.root / "inbox"

    @property
    def claimed(self) -> Path:
        """Where an intake keeps what it is reading: on the inbox's file system."""
        return self.inbox / CLAIMED

    @property
    def accepted(self) -> Path:
        """What every run reads."""
        return self.root / ACCEPTED

    @property
    def quarantine(self) -> Path:
        """What no run reads."""
        return self.root / "quarantine"

    @property
    def records(self) -> Path:
        """What each intake did."""
        return self.root / "intake"

    @property
    def settled(self) -> Path:
        """With which of the accepted files a night has passed: a line for each such night."""
        return self.records / "settled.jsonl"


@dataclass(frozen=True)
class IntakeFile:
    """What became of one file.

    Attributes:
        name: What it was called in the inbox.
        sha256: Of its bytes; empty where it was not read.
        outcome: ``waiting`` files stay in the inbox and are looked at again.
        rows: Rows in it, bad ones included; lines, where it could not be read as a table.
        bad_rows: Of these, the ones that go to the quarantine table.
        reason: Why it was not accepted.
        stored: What it is called in ``accepted`` or ``quarantine``; for a duplicate the file that
            has the same content. Of an accepted file this is the ``source`` of its rows.
    """

    name: str
    sha256: str
    outcome: Outcome
    rows: int
    bad_rows: int
    reason: str
    stored: str


@dataclass(frozen=True)
class Intake:
    """What one intake did.

    Attributes:
        stamp: When, as in names of files.
        files: In the order in which they were dealt with.
    """

    stamp: str
    files: tuple[IntakeFile, ...]


def stamp_of(time: datetime) -> str:
    """A time in UTC as it stands in names of files; it sorts as the time does."""
    return time.strftime(_STAMP)


def time_of(stamp: str) -> datetime:
    """The time that a stamp says."""
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)


def stored_name(stamp: str, sha256: str, name: str) -> str:
    """What a file is called where it is kept; long names lose the end of their stem."""
    stem, dot, suffixes = name.partition(".")
    if len(suffixes.encode()) > 40:  # no suffixes: a sentence with a full stop
        stem, dot, suffixes = name, "", ""
    room = _NAME_BYTES - len(f"{stamp}_{sha256[:12]}_{dot}{suffixes}".encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore")
    return f"{stamp}_{sha256[:12]}_{stem}{dot}{suffixes}"


def parse_stored(name: str) -> tuple[str, str, str] | None:
    """Stamp, start of the checksum and original name; None for a file that no intake stored."""
    found = _STORED.fullmatch(name)
    return (found[1], found[2], found[3]) if found else None


def report_of(path: Path) -> Path:
    """The report beside a file in quarantine."""
    return path.with_name(path.name + REPORT)


def stored_files(folder: Path) -> list[Path]:
    """Files that intakes stored in ``accepted`` or ``quarantine``, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.endswith(REPORT)
        and parse_stored(path.name)
        and path.is_file()
        and not path.is_symlink()
    )


def came_by_inbox(path: Path) -> bool:
    """Whether a raw file was dropped into an inbox, rather than put there with the problem."""
    return path.parent.name in (ACCEPTED, CLAIMED)


def intakes(project: Path, problem: str, after: str = "") -> list[Intake]:
    """What each intake did that has a stamp after ``after``, the newest last."""
    records = sorted(Folders.of(project, problem).records.glob("*.json"))
    return [
        read_intake(json.loads(path.read_text("utf-8"))) for path in records if path.stem > after
    ]


def read_intake(values: dict[str, Any]) -> Intake:
    """From JSON."""
    return Intake(values["stamp"], tuple(IntakeFile(**file) for file in values["files"]))
