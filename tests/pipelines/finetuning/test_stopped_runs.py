"""Real runs of the stage that end before their time, and what the same command makes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow
#: Long enough to be stopped, with a checkpoint every second or so.
LONG = "finetuning.epochs=12,finetuning.checkpoint_minutes=0.02"


@pytest.fixture
def project(finished_run, tmp_path):
    """A project in which everything before the fit stands."""
    return shutil.copytree(finished_run, tmp_path / "project", symlinks=True)


def start(project, params):
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", "finetuning"]
    env = {
        **os.environ, "PYTHONPATH": str(project / "src"), "KEDRO_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    env.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [*command, "--params", params], cwd=project, env=env, text=True, encoding="utf-8",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def steps_saved(project):
    folder = project / "data/06_models/feedback_topics/workspace"
    return sorted(int(path.name[5:]) for path in folder.glob("*/checkpoints/step-*"))


def last_status(project):
    [database] = project.rglob("mlflow.db")
    with sqlite3.connect(database) as connection:
        query = "SELECT status FROM runs ORDER BY start_time DESC LIMIT 1"
        return connection.execute(query).fetchone()[0]


def wait_for_checkpoint(process, project):
    before = steps_saved(project)
    end = time.monotonic() + 120
    while steps_saved(project) == before:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_that_a_signal_stopped_goes_on(project):
    """Reliability 6: checkpoint, the signal's exit code within 120 s, KILLED in MLflow."""
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = start(project, LONG)
        wait_for_checkpoint(process, project)
        process.send_signal(number)
        begun = time.monotonic()
        _, told = process.communicate(timeout=120)
        assert process.returncode == code and time.monotonic() - begun < 120
        assert "the same command goes on from there" in told
        assert last_status(project) == "KILLED"
    stopped_at = steps_saved(project)[-1]
    process = start(project, LONG)
    _, told = process.communicate(timeout=600)
    assert process.returncode == 0, told
    reports = project / "data/08_reporting/feedback_topics/finetuning_report"
    newest = max(reports.rglob("finetuning_report.json"), key=lambda path: path.stat().st_mtime)
    assert json.loads(newest.read_text("utf-8"))["resumed_from"] == stopped_at
    assert last_status(project) == "FINISHED"


def test_a_loss_that_is_no_number_fails_the_run(project):
    """Reliability 7: non-zero exit, FAILED, and no model."""
    models = project / "data/06_models/feedback_topics/model"
    before = sorted(models.iterdir())
    process = start(project, "finetuning.learning_rate=1e30")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "not a number" in told or "loss became" in told
    assert "finetuning.learning_rate" in told and "Traceback" not in told
    assert last_status(project) == "FAILED"
    assert sorted(models.iterdir()) == before


def test_a_model_that_no_disk_holds_is_refused(project):
    """Reliability 9: with what it would need, before anything is built."""
    process = start(project, "model.scratch.hidden_size=65536,model.scratch.layers=200")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "TB of disk" in told and "are free" in told and "workspace" in told
    assert last_status(project) == "FAILED"
