"""One run at a time for a problem, held by the kernel and not by a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wenliu.lock import FOLDER, holder_of, problem_lock
from wenliu.processes import Process

SOURCE = Path(__file__).parents[1] / "src"
HOLD = """
import sys, time
from pathlib import Path
from wenliu.lock import problem_lock
with problem_lock(Path(sys.argv[1]), sys.argv[2], "kedro run", float(sys.argv[4])):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


def start(project, problem="tickets", seconds=60.0, wait=0.0, **variables):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project), problem, str(seconds), str(wait)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def holder(tmp_path):
    process = start(tmp_path)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_leaves_with_75_and_names_the_first(tmp_path, holder):
    """Reliability 3: which process, since when, doing what, and what to do."""
    second = start(tmp_path)
    _, said = second.communicate(timeout=30)
    assert second.returncode == 75
    assert f"process {holder.pid} on {Process.this().host}" in said
    assert "kedro run" in said and "since 20" in said and "--wait" in said
    assert holder_of(tmp_path, "tickets").process.pid == holder.pid


def test_another_problem_is_not_held_up(tmp_path, holder):
    """Reliability 3."""
    other = start(tmp_path, "other", seconds=0)
    assert other.wait(30) == 0


def test_who_waits_says_for_whom_and_gets_its_turn(tmp_path, holder):
    """Reliability 3: --wait queues."""
    second = start(tmp_path, seconds=0, wait=30)
    assert f"Waiting up to 30 s for another run of tickets: kedro run, process {holder.pid}" in (
        second.stderr.readline()
    )
    holder.terminate()
    assert second.wait(30) == 0


def test_waiting_ends(tmp_path, holder):
    second = start(tmp_path, seconds=0, wait=0.5)
    assert second.wait(30) == 75


def test_kill_9_leaves_no_lock(tmp_path, holder):
    """Reliability 3: a stale file of a dead process blocks nobody."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    path = tmp_path / FOLDER / "tickets.lock"
    assert json.loads(path.read_text())["pid"] == holder.pid
    assert holder_of(tmp_path, "tickets") is None
    with problem_lock(tmp_path, "tickets", "kedro run"):
        assert holder_of(tmp_path, "tickets").process == Process.this()
    assert path.read_text() == ""


def test_in_one_process_it_is_taken_once(tmp_path):
    """The command takes it before Kedro starts, the hook again."""
    with problem_lock(tmp_path, "tickets", "kedro run"):
        with problem_lock(tmp_path, "tickets", "again"):
            pass
        assert holder_of(tmp_path, "tickets").what == "kedro run"
        assert start(tmp_path, seconds=0).wait(30) == 75
    assert start(tmp_path, seconds=0).wait(30) == 0


def test_it_can_be_switched_off(tmp_path, holder):
    assert start(tmp_path, seconds=0, WENLIU_LOCK="off").wait(30) == 0


def test_a_child_that_outlives_the_holder_does_not_hold_the_lock(tmp_path):
    """A training process that ``kill -9`` of the run has left behind must not block the next."""
    script = HOLD.replace("print(", "import subprocess; subprocess.Popen(['sleep', '20']); print(")
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), "tickets", "60", "0"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    try:
        with problem_lock(tmp_path, "tickets", "kedro run"):
            pass
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


def test_a_process_is_known_by_more_than_its_number():
    me = Process.this()
    assert me.may_be_alive()
    assert Process.of_tags(me.tags()) == me
    assert not Process(me.host, me.pid, me.boot, "1").may_be_alive()
    assert not Process(me.host, me.pid, "another-boot", me.start).may_be_alive()
    assert Process("another-host", 1, "x", "1").may_be_alive()
    assert Process.of_tags({"mlflow.user": "somebody"}) is None
    gone = subprocess.Popen([sys.executable, "-c", ""])
    identity = Process(me.host, gone.pid, me.boot, me.start)
    for _ in range(100):  # not waited for: a zombie is gone as well
        if Path(f"/proc/{gone.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    assert not identity.may_be_alive()
    gone.wait()
    assert not Process(me.host, gone.pid).may_be_alive()
