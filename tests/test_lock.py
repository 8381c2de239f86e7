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

from wenliu.errors import UserError
from wenliu.lock import FOLDER, problem_lock
from wenliu.processes import Process
from wenliu.run_command import _alone, _named, check_pipelines

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


def named(project):
    """What stands in the lock's file."""
    return json.loads((project / FOLDER / "tickets.lock").read_text())


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
    assert named(tmp_path)["pid"] == holder.pid


def test_on_a_full_disk_the_lock_is_taken_without_a_name(tmp_path):
    """Reliability 2: who makes room needs it. The kernel refuses to let any file grow."""
    full = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    )
    command = [sys.executable, "-c", f"{full}\n{HOLD}", str(tmp_path), "tickets", "60", "0"]
    first = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(SOURCE)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout.readline() == "held\n"
        second = start(tmp_path)
        _, said = second.communicate(timeout=30)
        assert second.returncode == 75
        assert "has not left its name" in said
    finally:
        first.kill()
        first.wait()


def test_another_problem_is_not_held_up(tmp_path, holder):
    """Reliability 3."""
    other = start(tmp_path, "other", seconds=0)
    assert other.wait(30) == 0


@pytest.mark.parametrize("option", [{"pipelines": ["inference"]}, {"pipeline": "inference"}])
def test_inference_takes_no_lock_however_it_is_asked_for(tmp_path, holder, option):
    """Reliability 3: ``--pipeline`` is Kedro's older name of ``--pipelines``."""
    conf = tmp_path / "conf"
    (conf / "base").mkdir(parents=True)
    (conf / "base/globals.yml").write_text("problem: tickets\n")
    with _alone(tmp_path, conf, option, wait=0):
        pass
    other = dict.fromkeys(option, "export" if "pipeline" in option else ["export"])
    with pytest.raises(SystemExit), _alone(tmp_path, conf, other, wait=0):
        pass


def test_a_pipeline_that_is_not_there_is_named_however_it_is_asked_for():
    with pytest.raises(UserError, match="no pipeline 'inferense'"):
        check_pipelines(_named({"pipelines": [], "pipeline": "inferense"}))


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
    assert named(tmp_path)["pid"] == holder.pid
    with problem_lock(tmp_path, "tickets", "kedro run"):
        assert Process.of(named(tmp_path)) == Process.this()
    assert (tmp_path / FOLDER / "tickets.lock").read_text() == ""


def test_in_one_process_it_is_taken_once(tmp_path):
    """The command takes it before Kedro starts, the hook again."""
    with problem_lock(tmp_path, "tickets", "kedro run"):
        with problem_lock(tmp_path, "tickets", "again"):
            pass
        assert named(tmp_path)["what"] == "kedro run"
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
