"""MLflow runs whose process is gone do not stay RUNNING for ever."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from wenliu.processes import Process
from wenliu.tracking import close_orphans, open_store

HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path, empty_store, monkeypatch):
    """A client of an empty database, and an experiment."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    yield open_store(tmp_path, "p")
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to what was opened last


def test_runs_of_processes_that_are_gone_are_closed(store):
    """Reliability 6: here at once; of a container with another host name, after a day."""
    me, gone = Process.this(), Process("replaced-container", 7, "another-boot", "1")
    ended = Process(me.host, me.pid, me.boot, "1")  # the number was given to another
    client, experiment = store
    # Who began it, how many hours ago: whether it is closed.
    cases = [
        (ended.tags(), 0, True),
        (me.tags(), 30, False),
        (gone.tags(), 23, False),
        (gone.tags(), 25, True),
        ({"mlflow.user": "somebody"}, 99, False),
    ]
    expected = {}
    for tags, hours, closed in cases:
        begun = int((datetime.now(UTC) - hours * HOUR).timestamp() * 1000)
        run = client.create_run(experiment, tags=tags, start_time=begun)
        expected[run.info.run_id] = "KILLED" if closed else "RUNNING"
    closed = close_orphans(client, experiment)
    assert sorted(closed) == sorted(run for run, status in expected.items() if status == "KILLED")
    assert {run: client.get_run(run).info.status for run in expected} == expected
    assert all("wenliu.reaped" in client.get_run(run).data.tags for run in closed)
    assert close_orphans(client, experiment) == []
