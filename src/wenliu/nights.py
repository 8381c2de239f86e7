"""The record of every night: one JSON file a nightly run, in ``data/08_reporting/P/nights/``.

A night that has begun says ``running``; the truth replaces it at the end. A process that dies
without a word leaves ``running`` behind, and the next start turns that into ``killed``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from wenliu import clock
from wenliu.disk import write_atomically
from wenliu.processes import Process, is_gone
from wenliu.serving.locate import BUNDLES, CHAMPION

Status = Literal["running", "succeeded", "failed", "killed"]
Outcome = Literal["promoted", "refused", "unchanged", "failed", "killed"]

_log = logging.getLogger(__name__)
DIED = "The process ended without a word: it was killed, or the machine went down."


@dataclass(frozen=True)
class Night:
    """What is known of one night.

    Attributes:
        problem: Its name.
        run_id: Of the Kedro run; names the file.
        started_at: ISO 8601 in UTC, to the second.
        finished_at: The same; None while it runs, and when nobody saw it end.
        seconds: How long it took.
        status: How the run ended.
        outcome: What came of it; None while it runs.
        reason: Why, in one sentence. Of an error it may name files and values: it stays on this
            machine (:func:`wenliu.night_facts.without_data`).
        decision: Strategy, decision and failed checks of the gate, and where its page lies below
            the problem's folder of reports.
        champion: Registered version that serves after this night.
        challenger: Registered version that the night made or judged.
        scores: ``gate``, ``audit`` and ``fresh`` to their rows and the macro-F1 and accuracy of
            champion and challenger.
        rows: ``rows_in = kept + quarantined + duplicates`` over the files that came in since the
            last night that counted, and ``total``, the rows of the whole table.
        files: What came in: name, outcome, rows, bad rows, reason.
        intake: Stamp of the newest intake in ``rows`` and ``files``. Whoever died before it was
            written leaves its files to the next night, so that each row is counted once.
        drift: Verdict of the drift stage and the number of new rows it looked at.
        error: Type, message and place of what stopped the run.
        process: Who ran it, to tell later whether it still does.
    """

    problem: str
    run_id: str
    started_at: str
    finished_at: str | None = None
    seconds: float | None = None
    status: Status = "running"
    outcome: Outcome | None = None
    reason: str = ""
    decision: dict[str, Any] | None = None
    champion: int | None = None
    challenger: int | None = None
    scores: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    intake: str | None = None
    drift: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    process: dict[str, Any] = field(default_factory=dict)

    @property
    def started(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.started_at)

    @property
    def ended(self) -> datetime:
        """When it ended; a night whose end nobody saw ended when it began."""
        return datetime.fromisoformat(self.finished_at or self.started_at)

    def score(self, name: str, who: str) -> float | None:
        """Macro-F1 of the ``champion`` or ``challenger`` on the set ``name``, where it has one."""
        found: dict[str, Any] = self.scores.get(name, {}).get(who) or {}
        return found.get("macro_f1")


def reports(project: Path, problem: str) -> Path:
    """The problem's folder of reports."""
    return project / "data" / "08_reporting" / problem


def champion(project: Path, problem: str) -> int | None:
    """The registered version that serves: where the link ``champion`` points to."""
    link = project / BUNDLES / problem / CHAMPION
    name = link.readlink().name if link.is_symlink() else ""
    return int(name) if name.isdecimal() else None


def begin(problem: str) -> Night:
    """A night that starts now; it is not written yet.

    Kedro's run id is not known yet: :func:`rename` sets it when it is.
    """
    # The form of Kedro's own run ids: sorted by name is sorted by time.
    provisional = datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f")[:-3] + "Z"
    return Night(problem, provisional, stamp(clock.now()), process=asdict(Process.this()))


def stamp(time: datetime) -> str:
    """ISO 8601 to the second."""
    return time.isoformat(timespec="seconds")


def write(project: Path, night: Night) -> None:
    """Writes the record in one step."""
    path = _path(project, night)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(night), ensure_ascii=False, indent=1) + "\n")


def rename(project: Path, night: Night, named: Night) -> None:
    """Writes the record under another run id."""
    write(project, named)
    if named.run_id != night.run_id:
        forget(project, night)


def forget(project: Path, night: Night) -> None:
    """Takes back the record of a night that never was: another run had the lock."""
    _path(project, night).unlink(missing_ok=True)


def read(project: Path, problem: str) -> list[Night]:
    """All nights, the oldest first; a file that cannot be read is left out with a warning."""
    known = {each.name for each in fields(Night)}
    nights = []
    for path in (reports(project, problem) / "nights").glob("[!.]*.json"):
        try:
            content: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
            nights.append(Night(**{k: v for k, v in content.items() if k in known}))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _log.warning("%s is no record of a night: %s", path, error)
    return sorted(nights, key=lambda night: (night.started_at, night.run_id))


def close_dead(project: Path, problem: str) -> list[Night]:
    """Turns records that say ``running`` of processes that are gone into ``killed``.

    Returns:
        Those that were turned; one that cannot be written is left to the next start.
    """
    closed = []
    for night in read(project, problem):
        if is_dead(night):
            try:
                write(project, as_killed(night))
            except OSError as error:
                _log.warning("A killed night could not be recorded: %s", error)
            else:
                closed.append(as_killed(night))
    return closed


def is_dead(night: Night) -> bool:
    """Whether the record says ``running`` and its process :func:`is gone <is_gone>`."""
    if night.status != "running":
        return False
    try:
        process = Process.of(night.process)
    except (KeyError, TypeError, ValueError):
        process = None
    return is_gone(process, clock.now() - night.started)


def as_killed(night: Night) -> Night:
    """What the record of a dead night should say."""
    return replace(night, status="killed", outcome="killed", reason=DIED)


def _path(project: Path, night: Night) -> Path:
    return reports(project, night.problem) / "nights" / f"{night.run_id}.json"
