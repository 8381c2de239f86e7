"""Which process is meant, and whether it is still there.

A process id alone is given again to another process; with the time at which it started, and the
machine's boot, it names one process for good.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

#: Before each field's name in the tags of an MLflow run.
_TAG = "proc."
#: Schedulers end a night after 20 hours (deploy/).
_LONGEST = timedelta(days=1)
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Process:
    """A process on some machine.

    Attributes:
        host: Name of the machine.
        pid: Process id.
        boot: Id of the machine's boot; empty where the system has none (macOS).
        start: When it started, in clock ticks since the boot; empty where there is no ``/proc``.
    """

    host: str
    pid: int
    boot: str = ""
    start: str = ""

    @classmethod
    def this(cls) -> Process:
        """The process that asks."""
        boot = _BOOT.read_text().strip() if _BOOT.is_file() else ""
        return cls(socket.gethostname(), os.getpid(), boot, _start_of(os.getpid()) or "")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Process:
        """From ``host``, ``pid``, ``boot`` and ``start``, as :func:`dataclasses.asdict` writes."""
        return cls(
            str(values["host"]),
            int(values["pid"]),
            str(values.get("boot", "")),
            str(values.get("start", "")),
        )

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Process | None:
        """From an MLflow run's tags; None where somebody else has made the run."""
        names = {
            name.removeprefix(_TAG): value for name, value in tags.items() if name.startswith(_TAG)
        }
        return cls.of(names) if {"host", "pid"} <= names.keys() else None

    def tags(self) -> dict[str, str]:
        """For an MLflow run."""
        return {f"{_TAG}{name}": str(value) for name, value in asdict(self).items() if value}

    @property
    def is_elsewhere(self) -> bool:
        """Whether it belongs to another machine, of which nothing is known here."""
        return self.host != socket.gethostname()

    def may_be_alive(self) -> bool:
        """Whether it is there. A process of another machine counts as alive: nobody can tell."""
        if self.is_elsewhere:
            return True
        if self.boot and _BOOT.is_file() and _BOOT.read_text().strip() != self.boot:
            return False
        if self.start:
            return _start_of(self.pid) == self.start
        return _answers(self.pid)


def is_gone(process: Process | None, age: timedelta) -> bool:
    """Whether the process that began something ``age`` ago, and did not end it, is gone.

    Of a process on another machine, in a container that was replaced, or without a name, nothing
    is known here: after a day it counts as gone.
    """
    if process is None or process.is_elsewhere:
        return age > _LONGEST
    return not process.may_be_alive()


def _start_of(pid: int) -> str | None:
    """The 22nd field of ``/proc/<pid>/stat``; None for a process that is gone, or a zombie."""
    try:
        # The second field is the name in brackets, which may hold blanks and brackets itself.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else fields[18]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
