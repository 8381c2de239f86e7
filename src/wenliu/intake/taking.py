"""One intake: every finished file is claimed, judged, and put where it belongs.

Whatever is about to happen to a file is written into a journal before it happens, and each step is
one rename: an intake that was killed is gone on with by the next one, and no row is lost or taken
twice (``docs/decisions/014-inbox.md``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wenliu import clock
from wenliu.disk import fsync, sha256_of, write_atomically
from wenliu.inbox import (
    REPORT,
    Folders,
    Intake,
    IntakeFile,
    parse_stored,
    report_of,
    stamp_of,
    stored_files,
    stored_name,
    time_of,
)
from wenliu.intake.arrivals import DONE, arrivals, is_regular
from wenliu.intake.journal import Journal
from wenliu.intake.moving import BESIDE, move, put_back
from wenliu.intake.twins import is_rejected, twin_of
from wenliu.intake.verdict import Verdict, judge_file, killed_readers
from wenliu.params import IngestionParams
from wenliu.progress import track

#: So many processes may die while they read a file; then it is put aside unread.
MOST_DEATHS = 3
#: What this program writes beside a file before it has the file's name; others' stay.
_OURS = re.compile(rf"({re.escape(BESIDE)}|\.{re.escape(Journal.NAME)}|\..+\.jsonl?)\.\d+")


def take_in(
    project: Path,
    problem: str,
    params: IngestionParams,
    labels: Sequence[str] | None,
    raw_files: Sequence[Path] = (),
) -> Intake:
    """Takes every finished file out of the inbox; to be called under the problem's lock.

    Args:
        project: Its root.
        problem: Its name.
        params: How files are read, and how long one must lie unchanged.
        labels: Known ones; None: none are known yet.
        raw_files: What the problem has read so far: a file with the same bytes is a duplicate.

    Returns:
        What became of each file. The same stands in ``intake/<stamp>.json``.

    Raises:
        OSError: The disk is full or fails; what was claimed is gone on with by the next intake.
    """
    folders = Folders.of(project, problem)
    for folder in (folders.inbox, folders.claimed, folders.accepted, folders.quarantine,
                   folders.records):  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
    journal = Journal.open(folders.claimed, folders.records, _new_stamp(folders))
    work = _Work(folders, journal, params, labels, raw_files)
    for path in work.claimed():  # by an intake that was killed
        work.take(path)
    _sweep(folders)
    waiting = []
    for arrival in arrivals(folders.inbox, params.inbox_settle):
        if reason := arrival.reason or _claim(arrival.path, folders):
            waiting.append(_waits(arrival.path.name, reason))
    for path in track(work.claimed(), "Taking in files", unit="file"):
        work.take(path)
    waiting += [_waits(name, "was written to while it was read") for name in work.given_back]
    intake = Intake(journal.record.stem, (*journal.files, *waiting))
    write_atomically(journal.record, json.dumps(asdict(intake), ensure_ascii=False, indent=1))
    journal.close()
    return intake


class _Work:
    """What is the same for all files of an intake.

    Attributes:
        given_back: Names of files that were written to while they were read.
    """

    def __init__(
        self,
        folders: Folders,
        journal: Journal,
        params: IngestionParams,
        labels: Sequence[str] | None,
        raw_files: Sequence[Path],
    ) -> None:
        self._folders, self._journal = folders, journal
        self._params, self._labels = params, labels
        self._raw_files = list(raw_files)
        self.given_back: list[str] = []

    def claimed(self) -> list[Path]:
        """Files that are claimed and not yet dealt with."""
        return sorted(
            path
            for path in self._folders.claimed.iterdir()
            if not path.name.startswith(".") and is_regular(path)
        )

    def take(self, path: Path) -> None:
        """Judges one claimed file, notes the outcome and carries it out."""
        before = path.stat()
        sha256 = sha256_of(path)
        file = self._journal.unfinished(path.name, sha256, self._place)
        if file is None:
            file = self._decide(path, sha256)
            if path.stat().st_mtime_ns != before.st_mtime_ns:
                self.given_back.append(put_back(path, self._folders.inbox).name)
                return
            self._journal.note(file)
        self._carry_out(file, path)

    def _place(self, file: IntakeFile) -> Path:
        folders = self._folders
        folder = folders.quarantine if file.outcome == "quarantined" else folders.accepted
        return folder / file.stored

    def _decide(self, path: Path, sha256: str) -> IntakeFile:
        name = path.name
        accepted = stored_files(self._folders.accepted)
        others = list(dict.fromkeys([*self._raw_files, *accepted]))
        if self._journal.deaths(name, sha256) < MOST_DEATHS:
            with self._journal.reading(name, sha256):
                verdict = judge_file(path, self._params, self._labels, self._raw_files)
        else:
            verdict = killed_readers(path, MOST_DEATHS)
        counts = (verdict.rows, verdict.bad_rows)
        if twin := twin_of(path, sha256, others):
            reason = f"has the same content as {twin.name}"
            return IntakeFile(name, sha256, "duplicate", *counts, reason, twin.name)
        twin = twin_of(path, sha256, stored_files(self._folders.quarantine))
        if twin and is_rejected(twin):
            reason = f"was rejected before as {twin.name}; to take it: wenliu inbox retry"
            return IntakeFile(name, sha256, "duplicate", *counts, reason, twin.name)
        stored = stored_name(self._journal.stamp, sha256, name)
        if verdict.problem is None:
            return IntakeFile(name, sha256, "accepted", *counts, "", stored)
        _write_report(self._folders.quarantine / stored, path, sha256, verdict)
        return IntakeFile(name, sha256, "quarantined", *counts, verdict.problem.found, stored)

    def _carry_out(self, file: IntakeFile, path: Path) -> None:
        if file.outcome == "duplicate":
            path.unlink()
            fsync(path.parent)
            return
        if file.outcome == "accepted":
            with suppress(PermissionError):  # somebody else's file: it can be moved all the same
                path.chmod(0o444)
        move(path, self._place(file))
        # An older copy in quarantine says nothing that this one does not say.
        for old in stored_files(self._folders.quarantine):
            if old.name != file.stored and twin_of(self._place(file), file.sha256, [old]):
                old.unlink()
                report_of(old).unlink(missing_ok=True)


def _claim(path: Path, folders: Folders) -> str:
    """Moves a finished file to the claimed ones; returns why not, if that cannot be done."""
    target = folders.claimed / path.name
    if not os.access(path, os.R_OK):
        return "may not be read: give this user the permission"
    if os.path.lexists(target):  # a file would be overwritten by the rename
        return f"has the name of something in {target.parent}: take that away"
    # First the mark: left behind it would call the next file of that name finished.
    path.with_name(path.name + DONE).unlink(missing_ok=True)
    try:
        path.rename(target)
    except FileNotFoundError:
        return "was taken away meanwhile"
    if not is_regular(target):
        put_back(target, folders.inbox)
        return "was replaced by something else meanwhile"
    return ""


def _sweep(folders: Folders) -> None:
    """Deletes what a killed intake left half done: its hidden copies, reports without a file."""
    for folder in (folders.claimed, folders.accepted, folders.quarantine, folders.records):
        for path in folder.glob(".*"):
            if _OURS.fullmatch(path.name) and is_regular(path):
                path.unlink()
    kept = {report_of(path) for path in stored_files(folders.quarantine)}
    for report in folders.quarantine.glob(f"*{REPORT}"):
        if report not in kept and parse_stored(report.name) and is_regular(report):
            report.unlink()


def _new_stamp(folders: Folders) -> str:
    """Now, or a second after the newest intake where the clock says that this was later."""
    stamps = (time_of(path.stem) for path in folders.records.glob("*.json"))
    earliest = max(stamps, default=datetime.min.replace(tzinfo=UTC)) + timedelta(seconds=1)
    return stamp_of(max(clock.now(), earliest))


def _waits(name: str, reason: str) -> IntakeFile:
    printable = name.encode("utf-8", "backslashreplace").decode()
    return IntakeFile(printable, "", "waiting", 0, 0, reason, "")


def _write_report(stored: Path, path: Path, sha256: str, verdict: Verdict) -> None:
    problem = verdict.problem
    assert problem is not None
    report = {
        "file": path.name,
        "sha256": sha256,
        "bytes": path.stat().st_size,
        "taken_at": clock.now().isoformat(timespec="seconds"),
        "reason": problem.found,
        "where": (problem.where or path.name).replace(str(path), path.name),
        "to_do": problem.remedy,
        "rows": verdict.rows,
        "bad_rows": verdict.bad_rows,
        "first_bad_rows": verdict.first_bad,
        "rejected": False,
    }
    write_atomically(report_of(stored), json.dumps(report, ensure_ascii=False, indent=1))
