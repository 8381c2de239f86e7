"""A project of its own for the nights: configuration copied, code used where it lies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wenliu import clock
from wenliu.inbox import Folders

PROBLEM = "simulated"
#: Small enough for two hundred nights an hour, large enough to learn: what a night costs is then
#: starting Python, torch and MLflow. The model is worse than the defaults, which no rule minds.
_PARAMETERS = """\
ingestion:
  inbox_settle: 0
splitting:
  test: 0.25
model:
  device: cpu
  scratch:
    {hidden_size: 64, layers: 1, heads: 2, intermediate_size: 128, max_positions: 128, min_count: 1}
finetuning:
  epochs: 12
  token_dropout: 0.0
  learning_rate: 0.003
  processes: 1
evaluation:
  bootstrap: 100
  folds: 2
  errors: 5
  suspects: 5
export:
  engines: [onnxruntime]
  precisions: [fp32]
  parity_rows: 50
  gate_rows: 50
drift:
  classifier_rows: 200
  permutations: 199
promotion:
  bootstrap: 500
"""


@dataclass(frozen=True)
class Finished:
    """A command that ended, or was killed."""

    code: int
    out: str
    err: str


class Sandbox:
    """The project in which the nights take place.

    Args:
        folder: New or empty.
        source: The project whose configuration is copied.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self.root = folder
        for name in ("conf/base", "conf/local"):
            shutil.copytree(source / name, folder / name)
        for name in ("conf/logging.yml", "pyproject.toml", ".telemetry"):
            shutil.copyfile(source / name, folder / name)
        # Kedro wants the folder; the code comes by PYTHONPATH.
        (folder / "src").mkdir()
        problem = folder / "conf" / PROBLEM
        problem.mkdir()
        (problem / "globals.yml").write_text(f"problem: {PROBLEM}\n", "utf-8")
        (problem / "parameters.yml").write_text(_PARAMETERS, "utf-8")
        self.folders = Folders.of(folder, PROBLEM)
        self.folders.inbox.mkdir(parents=True)
        self.logs = folder / "logs"
        self.logs.mkdir()
        self._started: list[subprocess.Popen[str]] = []

    def start(self, arguments: Sequence[str], now: datetime, log: Path) -> subprocess.Popen[str]:
        """Starts ``python -m ...`` in a process group of its own; errors go to ``log``."""
        with log.open("a", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.root,
                env=self._environment(now),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Ends a run and all that it has started, without a word."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def close(self) -> None:
        """Ends what still runs: they are in groups of their own, which Ctrl-C does not reach."""
        for process in self._started:
            if process.poll() is None:
                self.kill(process)

    def run(self, arguments: Sequence[str], now: datetime, log: Path) -> Finished:
        """Runs ``python -m ...`` to its end."""
        before = log.stat().st_size if log.exists() else 0
        process = self.start(arguments, now, log)
        out = process.communicate()[0]
        with log.open(encoding="utf-8") as errors:
            errors.seek(before)
            return Finished(process.returncode, out, errors.read())

    def _environment(self, now: datetime) -> dict[str, str]:
        code = str(Path(__file__).resolve().parents[2])
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "WENLIU_", "KEDRO_"))
        }
        return {
            **kept,
            "PYTHONPATH": code,
            "KEDRO_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "true",
            clock.VARIABLE: now.isoformat(),
        }


def nightly(*parameters: str) -> list[str]:
    """The command of a night."""
    command = ["kedro", "run", "--pipelines", "nightly", "--env", PROBLEM]
    return [*command, "--params", ",".join(parameters)] if parameters else command
