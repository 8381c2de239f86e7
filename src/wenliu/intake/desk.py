"""What a person sees of the inbox, and what a person may decide about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wenliu import clock
from wenliu.disk import sha256_of, write_atomically
from wenliu.errors import UserError
from wenliu.inbox import (
    Folders,
    IntakeFile,
    parse_stored,
    read_intake,
    report_of,
    stored_files,
)
from wenliu.intake.arrivals import arrivals
from wenliu.intake.moving import move
from wenliu.settled import pending_sources, read_settled, settle_file


def describe(project: Path, problem: str) -> str:
    """What waits, what was accepted, what is in quarantine and why."""
    folders = Folders.of(project, problem)
    known = _known(folders)
    waiting = [
        f"{each.path.name}: {each.reason or 'the next nightly run takes it'}"
        for each in arrivals(folders.inbox, settle=0)
    ]
    if folders.claimed.is_dir():
        waiting += [
            f"{path.name}: an intake is reading it, or was killed and will be gone on with"
            for path in sorted(folders.claimed.glob("[!.]*"))
        ]
    accepted = [
        f"{path.name}" + (f": {known[path.name].rows:,} rows" if path.name in known else "")
        for path in stored_files(folders.accepted)
    ]
    quarantined = [line for path in stored_files(folders.quarantine) for line in _explained(path)]
    return "\n".join(
        [
            *_section(f"waiting in {folders.inbox.relative_to(project)}", waiting),
            *_section("accepted", accepted),
            *_section("in quarantine", quarantined),
        ]
    )


def reject(project: Path, problem: str, file: str, reason: str) -> Path:
    """Takes an accepted file out again; to be called under the problem's lock.

    Args:
        project: Its root.
        problem: Its name.
        file: Stored name, original name, or beginning of the checksum.
        reason: Why, for the report.

    Returns:
        Where it lies now.

    Raises:
        UserError: There is no such accepted file, or several.
    """
    folders = Folders.of(project, problem)
    path = _find(file, folders.accepted, "accepted")
    target = folders.quarantine / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    known = _known(folders).get(path.name)
    report = {
        "file": (parse_stored(path.name) or ("", "", path.name))[2],
        "sha256": sha256_of(path),
        "bytes": path.stat().st_size,
        "taken_at": clock.now().isoformat(timespec="seconds"),
        "reason": f"Rejected: {reason}" if reason else "Rejected.",
        "where": None,
        "to_do": "nothing; to read it again after all: wenliu inbox retry",
        "rows": known.rows if known else None,
        "bad_rows": known.bad_rows if known else None,
        "first_bad_rows": [],
        "rejected": True,
    }
    # The report first: killed before the move, the file is still accepted.
    write_atomically(report_of(target), json.dumps(report, ensure_ascii=False, indent=1))
    move(path, target)
    return target


def accept(project: Path, problem: str, file: str, reason: str) -> str:
    """Keeps an accepted file that stops nights; to be called under the problem's lock.

    From now on its rows are old ones: others are compared with them, and they with nothing.

    Args:
        project: Its root.
        problem: Its name.
        file: As in :func:`reject`.
        reason: Why.

    Returns:
        Its stored name.

    Raises:
        UserError: There is no such accepted file, or several, or a night has passed with it.
    """
    folders = Folders.of(project, problem)
    path = _find(file, folders.accepted, "accepted")
    if not pending_sources([path.name], read_settled(folders)):
        raise UserError(
            f"{path.name} stops no night: one has passed with it, or it was accepted before.",
            where=str(folders.settled),
            remedy="nothing is to be done",
        )
    settle_file(folders, path.name, reason)
    return path.name


def retry(project: Path, problem: str, file: str) -> Path:
    """Puts a file from quarantine back into the inbox; to be called under the problem's lock.

    Args:
        project: Its root.
        problem: Its name.
        file: As in :func:`reject`.

    Returns:
        Where it lies now.

    Raises:
        UserError: There is no such file in quarantine, or several, or its name is taken.
    """
    folders = Folders.of(project, problem)
    path = _find(file, folders.quarantine, "in quarantine")
    target = folders.inbox / (parse_stored(path.name) or ("", "", path.name))[2]
    if target.exists():
        raise UserError(
            f"There is another {target.name} in the inbox.",
            where=str(target),
            remedy="let the next nightly run take that one first, or rename it",
        )
    path.chmod(0o644)
    move(path, target)
    report_of(path).unlink(missing_ok=True)
    return target


def _find(file: str, folder: Path, state: str) -> Path:
    name = Path(file).name
    stored = stored_files(folder)
    # Checksums shorter than this are names that happen to be hexadecimal.
    found = [
        path
        for path in stored
        if name in (path.name, *(parse_stored(path.name) or ())[2:])
        or (len(name) >= 6 and (parse_stored(path.name) or ("", ""))[1].startswith(name))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"{len(found)} files {state} are called {name!r}.",
            where=str(folder),
            remedy=f"name one: {_quoted(found)}",
        )
    raise UserError(
        f"No file {state} is called {name!r}.",
        where=str(folder),
        remedy=f"there are: {_quoted(stored)}" if stored else "there is none",
    )


def _quoted(paths: Sequence[Path]) -> str:
    return ", ".join(f"'{path.name}'" for path in paths[:10]) + (", ..." if paths[10:] else "")


def _known(folders: Folders) -> dict[str, IntakeFile]:
    """What intakes noted of the files they stored."""
    return {
        file.stored: file
        for record in sorted(folders.records.glob("*.json"))
        for file in read_intake(json.loads(record.read_text("utf-8"))).files
        if file.outcome in ("accepted", "quarantined")
    }


def _explained(path: Path) -> Iterator[str]:
    report = report_of(path)
    if not report.is_file():
        yield path.name
        return
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    yield f"{path.name}: {found['reason']}"
    for name, words in (("where", found["where"]), ("to do", found["to_do"])):
        if words:
            yield f"    {name}: {words}"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines or ["nothing"])]
