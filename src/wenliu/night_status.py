"""Is the model current? What any monitor can ask, and all nights in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

from wenliu import clock, nights
from wenliu.display import columns_of_text, shorten
from wenliu.nights import Night
from wenliu.project import command

State = Literal["fresh", "failing", "stale"]
EXIT_CODES: dict[State, int] = {"fresh": 0, "failing": 1, "stale": 2}
#: A night a day, and two hours for a long one.
MAX_AGE_HOURS = 26.0
_LINE = 84


@dataclass(frozen=True)
class NightStatus:
    """How a problem's nights stand.

    Attributes:
        problem: Its name.
        state: ``stale``: the last success is too long ago, or there was none; ``failing``: it is
            not, but the last night that ended failed.
        serving: Registered version that serves; None where none does.
        running: The night that goes on now.
        last: The last night that ended.
        last_success: The last that ended well, whatever it decided.
        age: Time since then.
        to_do: What a person should do; empty where all is well.
    """

    problem: str
    state: State
    serving: int | None
    running: Night | None
    last: Night | None
    last_success: Night | None
    age: timedelta | None
    to_do: str

    @property
    def exit_code(self) -> int:
        """0 fresh, 1 failing, 2 stale."""
        return EXIT_CODES[self.state]


def status_of(
    project: Path, problem: str, max_age_hours: float = MAX_AGE_HOURS, env: str | None = None
) -> NightStatus:
    """Reads the records; nothing is changed, and MLflow is not asked.

    Args:
        project: Its root.
        problem: Its name.
        max_age_hours: After which a success is too old.
        env: As given on the command line, for the commands to be typed.
    """
    records = [
        nights.as_killed(night) if nights.is_dead(night) else night
        for night in nights.read(project, problem)
    ]
    running = next((n for n in reversed(records) if n.status == "running"), None)
    last = next((n for n in reversed(records) if n.status != "running"), None)
    success = next((n for n in reversed(records) if n.status == "succeeded"), None)
    age = clock.now() - success.ended if success else None
    state: State = "fresh"
    if age is None or age > timedelta(hours=max_age_hours):
        state = "stale"
    elif last is not success:
        state = "failing"
    to_do = _to_do(state, success is not None, last, env)
    serving = nights.champion(project, problem)
    return NightStatus(problem, state, serving, running, last, success, age, to_do)


def _to_do(state: State, ever: bool, last: Night | None, env: str | None) -> str:
    chosen = f" --env {env}" if env else ""
    again = f"{command('kedro')} run --pipelines nightly{chosen}"
    if state == "fresh" and last is not None and last.outcome == "refused" and not last.champion:
        number = last.challenger or "VERSION"
        return (
            "nothing serves yet: look at the decision page, then more gate rows, or by hand "
            f"`wenliu promote {number} --reason WHY{chosen}`"
        )
    if state == "fresh":
        return ""
    if last is not None and last.status != "succeeded":
        return f"see the reason in logs/wenliu.log; `{again}` goes on from where it stopped"
    if ever:
        return f"no night has run lately: is the schedule on? Run one now with `{again}`"
    return f"run the first night with `{again}`, then `wenliu schedule install --at 02:00{chosen}`"


def as_json(status: NightStatus) -> dict[str, Any]:
    """For a monitor; times are ISO 8601 in UTC."""
    success = status.last_success
    return {
        "problem": status.problem,
        "state": status.state,
        "exit_code": status.exit_code,
        "serving": status.serving,
        "running": status.running.run_id if status.running else None,
        "last_night": asdict(status.last) if status.last else None,
        "last_success_at": nights.stamp(success.ended) if success else None,
        "age_hours": None if status.age is None else round(status.age.total_seconds() / 3600, 2),
        "to_do": status.to_do,
    }


def as_lines(status: NightStatus) -> list[str]:
    """For a person."""
    serving = f"version {status.serving}" if status.serving else "no version was promoted yet"
    rows = [("serving", serving)]
    if status.running:
        rows.append(("running", f"since {_time(status.running.started)}"))
    if last := status.last:
        rows.append(("last night", f"{_time(last.started)}: {last.outcome}. {last.reason}"))
    if status.last_success and status.age is not None:
        hours = status.age.total_seconds() / 3600
        rows.append(("last success", f"{_time(status.last_success.ended)}, {hours:.1f} h ago"))
    else:
        rows.append(("last success", "never"))
    told = [
        f"  {name if first else '':<13} {line}"
        for name, text in rows
        for first, line in zip(chain([True], repeat(False)), wrap(text, _LINE), strict=False)
    ]
    # A command is typed or copied: its line is never broken.
    return [
        f"{status.problem}: {status.state}",
        *told,
        f"  to do         {status.to_do or 'nothing'}",
    ]


def history_lines(records: Sequence[Night]) -> list[str]:
    """The nights as aligned lines, the newest last."""
    header = ("started (UTC)", "outcome", "serves", "macro-F1", "rows in", "kept", "took", "reason")
    rows = [
        (
            f"{night.started:%Y-%m-%d %H:%M}",
            night.outcome or night.status,
            str(night.champion or "–"),
            _percent(night.score("gate", "challenger")),
            f"{night.rows.get('rows_in', 0):,}",
            f"{night.rows.get('kept', 0):,}",
            duration(night.seconds),
            shorten(night.reason, 60),
        )
        for night in records
    ]
    return columns_of_text([header, *rows])


def duration(seconds: float | None) -> str:
    """``95`` as ``1 min 35 s``."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
