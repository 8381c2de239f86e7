"""One run at a time for a problem.

The lock is the kernel's (``flock``), so it goes when the process goes, however that happens: a
stale file blocks nobody. What stands in the file only tells people who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from wenliu.processes import Process

#: Where locks lie in a project, one a problem.
FOLDER = Path("data/.locks")
#: Set to ``off``, nothing is locked: each run still reads only its own versions.
VARIABLE = "WENLIU_LOCK"
#: "Try again later" of sysexits.h.
BUSY = 75
_POLL_SECONDS = 0.2
#: Between taking the lock and writing its name, a holder is unknown for this long at most.
_UNNAMED_SECONDS = 0.3

#: Locks that this process holds. The command takes one before Kedro builds anything, the hook again
#: for those who run Kedro from Python.
_held: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        process: Which one.
        since: When it took the lock, by the machine's clock.
        what: The command, in words.
    """

    process: Process
    since: datetime
    what: str

    def __str__(self) -> str:
        minutes = (datetime.now(UTC) - self.since).total_seconds() / 60
        return (
            f"{self.what}, process {self.process.pid} on {self.process.host}, since "
            f"{self.since:%Y-%m-%d %H:%M:%S} UTC ({minutes:.0f} min ago)"
        )


@contextmanager
def problem_lock(project: Path, problem: str, what: str, wait: float = 0.0) -> Iterator[None]:
    """Holds the lock of ``problem``; whoever holds it already in this process goes on.

    Args:
        project: Its root.
        problem: As in ``globals.yml``.
        what: The command, in words, for others who want the lock.
        wait: Seconds to wait for whoever holds it.

    Raises:
        SystemExit: With code 75 after saying who holds it.
    """
    path = project.resolve() / FOLDER / f"{problem}.lock"
    if os.environ.get(VARIABLE) == "off" or path in _held:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileIO(path, "a+") as file:  # no buffer: closing the file must have nothing left to write
        _take(file, path, problem, wait)
        _held.add(path)
        try:
            _write(file, {**asdict(Process.this()), "since": time.time(), "what": what})
            yield
        finally:
            _held.discard(path)
            _write(file, None)
            fcntl.flock(file, fcntl.LOCK_UN)


def _take(file: FileIO, path: Path, problem: str, wait: float) -> None:
    """Returns with the lock.

    Raises:
        SystemExit: Somebody held it until ``wait`` seconds were over.
    """
    started = time.monotonic()
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waited = time.monotonic() - started
        if waited >= wait:
            _say_busy(path, problem)
            raise SystemExit(BUSY)
        if not told:
            print(
                f"Waiting up to {wait:g} s for another run of {problem}: {_name(path)}",
                file=sys.stderr,
                flush=True,
            )
            told = True
        time.sleep(min(_POLL_SECONDS, wait - waited))


def _say_busy(path: Path, problem: str) -> None:
    print(
        f"\nError: Another run of {problem} is going on: {_name(path)}.\n"
        f"  where: {path}\n"
        "  to do: run the same again when it has ended, or let it queue: --wait SECONDS",
        file=sys.stderr,
    )


def _name(path: Path) -> str:
    """Who holds the lock, for people."""
    for _ in range(int(_UNNAMED_SECONDS / 0.05)):
        if holder := _read(path):
            return str(holder)
        time.sleep(0.05)
    return "a process that has not left its name"


def _read(path: Path) -> Holder | None:
    """Who holds the lock as far as its file says; None: nobody who is alive."""
    try:
        values = json.loads(path.read_text("utf-8"))
        holder = Holder(
            Process.of(values), datetime.fromtimestamp(values["since"], UTC), str(values["what"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return holder if holder.process.may_be_alive() else None


def _write(file: FileIO, values: dict[str, object] | None) -> None:
    """On a full disk the holder has no name: those who make room need the lock, too."""
    with suppress(OSError):
        file.truncate(0)
        if values is not None:
            file.write(json.dumps(values, ensure_ascii=False).encode())
