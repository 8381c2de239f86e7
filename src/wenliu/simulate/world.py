"""The place where the nights happen: a project, a clock, people who drop files, an operator."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from wenliu import nights
from wenliu.lock import BUSY
from wenliu.nights import Night
from wenliu.simulate.files import Drop
from wenliu.simulate.sandbox import PROBLEM, Finished, Sandbox, nightly
from wenliu.simulate.texts import Writer

#: Of the first night; the others follow a day apart.
FIRST_NIGHT = datetime(2026, 3, 1, 2, tzinfo=UTC)
#: A night that has not got to a step after so long never will.
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.02


class World:
    """State of the simulation between the nights, and what can be done in one.

    Args:
        sandbox: The project.
        writer: Writes new messages.
        seed: Of what happens by chance, such as the moment of a kill.

    Attributes:
        drops: Every file that was dropped, in order.
        tonight: Those of this night, and of nights before it without a run.
        rejected: Names of files that the operator took back.
        given: Files that were put among the raw ones tonight, past the inbox.
        labels: Those that people use.
        broken: What did not go as it must, as sentences.
        restored: Version that the operator went back to tonight.
        rolled_back: Versions that must never serve again by themselves.
    """

    def __init__(self, sandbox: Sandbox, writer: Writer, labels: Sequence[str], seed: int) -> None:
        self.sandbox, self.writer, self.random = sandbox, writer, Random(seed)
        self.labels = list(labels)
        self.drops: list[Drop] = []
        self.rejected: set[str] = set()
        self.rolled_back: set[int] = set()
        self.tonight: list[Drop] = []
        self._ran = False
        self.begin(1)

    def begin(self, number: int) -> None:
        """Turns the clock to a night."""
        self.number = number
        self.started = self.now = FIRST_NIGHT + timedelta(days=number - 1)
        if self._ran:
            self.tonight = []
        self._ran = False
        self.given: list[Drop] = []
        self.broken: list[str] = []
        self.restored: int | None = None
        self.log = self.sandbox.logs / f"night_{number:03d}.log"

    def records(self) -> list[Night]:
        """What the project noted of tonight's runs, the last one first."""
        since = nights.stamp(self.started)
        found = nights.read(self.sandbox.root, PROBLEM)
        return [night for night in reversed(found) if night.started_at >= since]

    def expect(self, holds: bool, sentence: str) -> None:
        """Notes what must not be."""
        if not holds:
            self.broken.append(sentence)

    def drop(self, *files: Drop) -> None:
        """People put files into the inbox, each in one step."""
        for file in files:
            path = self.sandbox.folders.inbox / file.name
            beside = path.with_name(f".{file.name}")
            beside.write_bytes(file.content)
            beside.rename(path)
            self.drops.append(file)
            self.tonight.append(file)

    def give(self, file: Drop) -> None:
        """Somebody puts a file among the raw ones by hand, as before the first night."""
        path = self.sandbox.folders.root / file.name
        path.write_bytes(file.content)
        self.drops.append(file)
        self.given.append(file)

    def run(self, *parameters: str) -> Finished:
        """A night to its end; its line on standard output must be there, and be all there is."""
        self._ran = True
        finished = self.sandbox.run(nightly(*parameters), self.now, self.log)
        lines = finished.out.splitlines()
        self.expect(bool(lines), f"the run said nothing on stdout (exit code {finished.code})")
        for line in lines:
            self.expect(_is_json(line), f"stdout has a line that is no JSON: {line[:80]!r}")
        return finished

    def run_and_kill(self, stage: str) -> None:
        """A night that is killed (``kill -9``) while a stage runs."""
        process = self._started()
        if self._reaches(process, stage):
            time.sleep(self.random.random() / 2)
        self.sandbox.kill(process)
        self.expect(
            process.returncode == -signal.SIGKILL, f"the run was over before it came to {stage}"
        )
        self.now += timedelta(minutes=10)

    def run_twice_at_once(self) -> None:
        """A second run while the first one goes on: it must leave, and leave the first alone."""
        first = self._started()
        self._reaches(first, "ingestion")
        began = time.monotonic()
        second = self.sandbox.run(nightly(), self.now, self.sandbox.logs / "second_run.log")
        seconds = time.monotonic() - began
        first.communicate()
        self.expect(second.code == BUSY, f"the second run left with {second.code}, not {BUSY}")
        self.expect(seconds < 10, f"the second run took {seconds:.0f} s to leave")
        self.expect(str(first.pid) in second.err, "the second run does not name the first")
        self.expect(first.returncode == 0, f"the first run left with {first.returncode}")

    def operator(self, *arguments: str) -> None:
        """Somebody types ``wenliu ...`` or ``kedro ...``; it must work."""
        command = [*arguments, "--env", PROBLEM]
        finished = self.sandbox.run(command, self.now, self.sandbox.logs / "operator.log")
        said = " ".join(finished.err.strip().splitlines()[-3:])[:300]
        typed = " ".join(arguments)
        self.expect(finished.code == 0, f"`{typed}` left with {finished.code}: {said}")

    def status(self) -> int:
        """Exit code of ``wenliu status``."""
        command = ["wenliu", "status", "--env", PROBLEM]
        return self.sandbox.run(command, self.now, self.sandbox.logs / "operator.log").code

    def reject(self, drop: Drop) -> None:
        """The operator takes an accepted file back: from now on it lies in quarantine."""
        self.operator("wenliu", "inbox", "reject", drop.name, "--reason", "标签不对")
        self.rejected.add(drop.name)

    def _started(self) -> subprocess.Popen[str]:
        self._ran = True
        self._heard = self.log.stat().st_size if self.log.exists() else 0
        return self.sandbox.start(nightly(), self.now, self.log)

    def _reaches(self, process: subprocess.Popen[str], stage: str) -> bool:
        """Waits until the run says that it is at a step of the stage."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if f"] {stage} " in _tail(self.log, self._heard):
                return True
            time.sleep(_POLL_SECONDS)
        return False


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", "replace")


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
