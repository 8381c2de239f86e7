"""Runs every night: units for systemd, lines for cron, a DAG for Airflow, from the same settings.

The templates lie in ``deploy/``; what is filled in is escaped for the place it goes to.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

from wenliu.disk import write_atomically
from wenliu.errors import UserError

_PLACE = re.compile(r"@([A-Z]+)@")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Schedule:
    """What runs, and when.

    Attributes:
        project: Its root, absolute.
        problem: Its name.
        env: As for ``kedro run``; None for the bundled problem.
        at: ``HH:MM`` in UTC.
    """

    project: Path
    problem: str
    env: str | None
    at: str

    def __post_init__(self) -> None:
        """Refuses what no unit, line or DAG could say."""
        if not _TIME.fullmatch(self.at):
            raise UserError(
                f"'{self.at}' is no time of the day.",
                where="--at",
                remedy="write hours and minutes in UTC, such as 02:00",
            )
        if not str(self.project).isprintable():
            raise UserError(
                "The project's folder has a name with a control character.",
                where=repr(str(self.project)),
                remedy="rename the folder",
            )

    @property
    def chosen(self) -> list[str]:
        """Options that name the problem."""
        return ["--env", self.env] if self.env else []

    @property
    def command(self) -> list[str]:
        """The nightly run, by absolute paths: schedulers have no active environment."""
        return [sys.executable, "-m", "kedro", "run", "--pipelines", "nightly", *self.chosen]

    @property
    def unit(self) -> str:
        r"""Name of the units; bytes that systemd does not take in names become ``\xNN``."""
        escaped = "".join(
            chr(byte) if re.fullmatch(r"[A-Za-z0-9_-]", chr(byte)) else f"\\x{byte:02x}"
            for byte in self.problem.encode("utf-8")
        )
        return f"wenliu-{escaped}"


def systemd_units(schedule: Schedule, *, system: bool = False) -> dict[str, str]:
    """The service and the timer, by the names of their files."""
    values = {
        "PROBLEM": _specifiers(schedule.problem),
        "PROJECT": _specifiers(str(schedule.project)),
        "COMMAND": " ".join(_systemd_word(word) for word in schedule.command),
        "TIME": schedule.at,
        "USER": f"User={_user(schedule)}" if system else "# As the user whose unit this is.",
    }
    return {
        f"{schedule.unit}.{kind}": _filled(schedule.project, f"systemd/wenliu.{kind}", values)
        for kind in ("service", "timer")
    }


def cron_lines(schedule: Schedule) -> str:
    """Lines for ``crontab -e``."""
    hour, minute = map(int, schedule.at.split(":"))
    local = datetime.now(UTC).replace(hour=hour, minute=minute).astimezone()
    values = {
        "PROBLEM": schedule.problem,
        "SCRIPT": shlex.quote(str(schedule.project / "deploy" / "cron" / "night.sh")),
        "COMMAND": shlex.join([sys.executable, *schedule.chosen]),
        "TIME": schedule.at,
        "LOCAL": f"{local:%H:%M}",
        "CRON": f"{local.minute} {local.hour}",
    }
    # cron takes a bare % for the end of the line.
    escaped = {name: value.replace("%", r"\%") for name, value in values.items()}
    return _filled(schedule.project, "cron/crontab", escaped)


def airflow_dag(schedule: Schedule) -> str:
    """The module that Airflow reads."""
    values = {
        "PROBLEM": schedule.problem,
        "PROJECT": str(schedule.project),
        "COMMAND": json.dumps(schedule.command, ensure_ascii=False),
        "TIME": schedule.at,
    }
    # Within quotes in the template, so that it is Python as it lies there.
    literals = {name: repr(value)[1:-1].replace('"', r"\"") for name, value in values.items()}
    return _filled(schedule.project, "airflow/nightly_dag.py", literals)


def verify(units: Mapping[str, str], *, system: bool = False) -> bool:
    """Asks systemd whether it understands the units.

    Returns:
        False where there is no ``systemd-analyze`` to ask.

    Raises:
        UserError: What it does not understand.
    """
    program = shutil.which("systemd-analyze")
    if program is None:
        return False
    with tempfile.TemporaryDirectory() as temporary:
        paths = _write(units, Path(temporary))
        scope = [] if system else ["--user"]
        result = subprocess.run(
            [program, "verify", "--man=no", *scope, *map(str, paths)],
            capture_output=True,
            text=True,
            # Asked for by --user, and set only where somebody has logged in.
            env={"XDG_RUNTIME_DIR": temporary, **os.environ},
        )
    complaints = result.stderr.replace(f"{temporary}/", "").strip()
    # It leaves with 0 after lines that it has ignored; other units of this machine may be wrong.
    ours = [line for line in complaints.splitlines() if line.startswith(tuple(units))]
    if result.returncode or ours:
        raise UserError(
            "systemd does not understand the units.",
            where="; ".join(ours or complaints.splitlines())[:500],
            remedy="see them with `wenliu schedule install --at HH:MM --print`",
        )
    return True


def install(schedule: Schedule, *, system: bool = False) -> str:
    """Checks, writes and starts the timer.

    Returns:
        What was done, and what is left to do, for people.
    """
    units = systemd_units(schedule, system=system)
    verified = verify(units, system=system)
    folder = unit_folder(system)
    folder.mkdir(parents=True, exist_ok=True)
    paths = _write(units, folder)
    told = [f"wrote {path}" for path in paths]
    told.append("systemd-analyze verify: good" if verified else "not verified: no systemd-analyze")
    commands = [["daemon-reload"], ["enable", "--now", f"{schedule.unit}.timer"]]
    told += _systemctl(commands, system)
    if not system:
        told.append(
            f"so that it runs when you are not logged in: loginctl enable-linger {getuser()}"
        )
    return "\n".join(told)


def remove(schedule: Schedule, *, system: bool = False) -> str:
    """Stops the timer and deletes the units.

    Raises:
        UserError: There are none.
    """
    folder = unit_folder(system)
    paths = [folder / f"{schedule.unit}.{kind}" for kind in ("timer", "service")]
    if not any(path.exists() for path in paths):
        raise UserError(
            f"No timer of {schedule.problem} is installed.",
            where=str(folder),
            remedy="one that was installed with --system is removed with --system",
        )
    told = _systemctl([["disable", "--now", paths[0].name]], system)
    for path in paths:
        path.unlink(missing_ok=True)
        told.append(f"deleted {path}")
    return "\n".join([*told, *_systemctl([["daemon-reload"]], system)])


def _user(schedule: Schedule) -> str:
    """Who is to run the nights of the whole machine: root installs them for somebody."""
    return os.environ.get("SUDO_USER") or schedule.project.owner()


def unit_folder(system: bool) -> Path:
    """Where systemd looks for units that people have written."""
    if system:
        return Path("/etc/systemd/system")
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _systemctl(commands: list[list[str]], system: bool) -> list[str]:
    """Runs them in order; from the first that fails on, says what is to be typed."""
    told = []
    works = shutil.which("systemctl") is not None
    for arguments in commands:
        line = ["systemctl", *([] if system else ["--user"]), *arguments]
        works = works and subprocess.run(line, capture_output=True).returncode == 0
        told.append(f"{'ran' if works else 'now type'}: {shlex.join(line)}")
    return told


def _write(units: Mapping[str, str], folder: Path) -> list[Path]:
    for name, content in units.items():
        write_atomically(folder / name, content)
    return [folder / name for name in units]


def _filled(project: Path, template: str, values: Mapping[str, str]) -> str:
    path = project / "deploy" / template
    if not path.is_file():
        raise UserError(
            "A template is missing.", where=str(path), remedy="restore the folder deploy/"
        )
    return _PLACE.sub(lambda place: values[place[1]], path.read_text("utf-8"))


def _specifiers(text: str) -> str:
    """Text in a unit: % begins a specifier."""
    return text.replace("%", "%%")


def _systemd_word(word: str) -> str:
    """One word of a command line of systemd: $ begins a variable, quotes keep blanks."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return (
        f'"{_specifiers(escaped)}"' if re.search(r"[^\w./:=@%$-]", word) else _specifiers(escaped)
    )
