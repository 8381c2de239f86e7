"""The record of every night: one JSON file a nightly run, in ``data/08_reporting/P/nights/``.

A night that has begun says ``running``; the truth replaces it at the end. A process that dies
without a word leaves ``running`` behind, and the next start turns that into ``killed``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from wenliu import clock
from wenliu.disk import write_atomically
from wenliu.processes import Process

Status = Literal["running", "succeeded", "failed", "killed"]
Outcome = Literal["promoted", "refused", "unchanged", "failed", "killed"]

#: Schedulers end a night after 20 hours (deploy/).
_LONGEST = timedelta(days=1)
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
        reason: Why, in one sentence without any text of a row.
        decision: Strategy, decision and failed checks of the gate, and where its page lies below
            the problem's folder of reports.
        champion: Registered version that serves after this night.
        challenger: Registered version that the night made or judged.
        scores: ``gate``, ``audit`` and ``fresh`` to their rows and the macro-F1 and accuracy of
            champion and challenger.
        rows: ``rows_in = kept + quarantined + duplicates`` over the files that came in this
            night, and ``total``, the rows of the whole table.
        files: What came in: name, outcome, rows, bad rows, reason.
        drift: Verdict of the drift stage and the number of new rows it looked at.
        error: Type and message of what stopped the run, quotes redacted.
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
    link = project / "data" / "07_model_output" / problem / "champion"
    name = link.readlink().name if link.is_symlink() else ""
    return int(name) if name.isdecimal() else None


def begin(project: Path, problem: str) -> Night:
    """Writes the record of a night that starts now.

    Kedro's run id is not known yet: :func:`rename` sets it when it is.
    """
    now = clock.now()
    # The form of Kedro's own run ids: sorted by name is sorted by time.
    provisional = datetime.now(UTC).strftime("%Y-%m-%dT%H.%M.%S.%f")[:-3] + "Z"
    night = Night(problem, provisional, stamp(now), process=asdict(Process.this()))
    write(project, night)
    return night


def stamp(time: datetime) -> str:
    """ISO 8601 to the second."""
    return time.isoformat(timespec="seconds")


def write(project: Path, night: Night) -> None:
    """Writes the record in one step."""
    path = _path(project, night)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(night), ensure_ascii=False, indent=1) + "\n")


def rename(project: Path, night: Night, run_id: str) -> Night:
    """The record under another run id."""
    named = replace(night, run_id=run_id)
    write(project, named)
    if named.run_id != night.run_id:
        forget(project, night)
    return named


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
            logging.getLogger(__name__).warning("%s is no record of a night: %s", path, error)
    return sorted(nights, key=lambda night: (night.started_at, night.run_id))


def close_dead(project: Path, problem: str) -> list[Night]:
    """Turns records that say ``running`` of processes that are gone into ``killed``.

    Returns:
        Those that were turned.
    """
    closed = [as_killed(night) for night in read(project, problem) if is_dead(night)]
    for night in closed:
        write(project, night)
    return closed


def is_dead(night: Night) -> bool:
    """Whether the record says ``running`` and its process is gone.

    Of a process on another machine, or in a container that was replaced, nothing is known here:
    after a day it counts as gone.
    """
    if night.status != "running":
        return False
    process = Process.of(night.process)
    if process.is_elsewhere:
        return clock.now() - night.started > _LONGEST
    return not process.may_be_alive()


def as_killed(night: Night) -> Night:
    """What the record of a dead night should say."""
    return replace(night, status="killed", outcome="killed", reason=DIED)


def _path(project: Path, night: Night) -> Path:
    return reports(project, night.problem) / "nights" / f"{night.run_id}.json"
