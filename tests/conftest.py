"""What several test modules need: a project of their own, and one finished run of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Quick, and enough to go through every line: nobody looks at the scores.
QUICK = "finetuning.epochs=2,evaluation.bootstrap=200"


def make_project(folder: Path) -> Path:
    """A copy of the project without its data but the bundled raw files."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "conf", "data/01_raw/feedback_topics"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def kedro(project: Path, *arguments: str, cwd: Path | None = None, **variables: str):
    """Runs a Kedro command as a user does, in a process of its own."""
    env = {
        **os.environ,
        "PYTHONPATH": str(project / "src"),
        "KEDRO_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "WENLIU_MEMO": "on",
        **variables,
    }
    if "MLFLOW_TRACKING_URI" not in variables:
        env.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=cwd or project,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    """In the tests' own process every stage works; the commands that they start remember."""
    monkeypatch.setenv("WENLIU_MEMO", "off")


@pytest.fixture(autouse=True)
def no_store_of_another_test():
    """MLflow writes what it opened last into the environment, for the processes it starts."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session", name="kedro")
def kedro_command():
    """The function that runs a Kedro command in a project."""
    return kedro


@pytest.fixture
def project(tmp_path):
    """A fresh project in which nothing has run."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A project in which the bundled problem has run once; shared by all workers; read it only.

    ``summary.txt`` in it holds what the run printed.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "finished_run"
    with (shared / "finished_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "summary.txt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make_project(folder)
            result = kedro(folder, "run", "--params", QUICK)
            assert result.returncode == 0, result.stderr[-3000:]
            (folder / "summary.txt").write_text(result.stdout, "utf-8")
    return folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A migrated database, made once: migrations take ten seconds."""
    from wenliu.tracking import open_client

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "empty_store"
    folder.mkdir(exist_ok=True)
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to what was opened last
    with (folder / "made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            open_client(folder)
            (folder / "done").touch()
    return folder / "mlflow.db"
