"""How processes are counted, started, watched and ended; the fit itself is a stand-in."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

from wenliu.errors import UserError
from wenliu.training import __main__ as entry
from wenliu.training import launch
from wenliu.training.interruption import PATIENCE_SECONDS
from wenliu.training.launch import (
    Processes,
    choose_processes,
    failure,
    run_torchrun,
    write_error,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
TWO = Processes(per_node=2)

#: Takes the place of ``wenliu.training``: starts in a moment, and does what the test says.
STAND_IN = """
import os, signal, sys, time
from pathlib import Path
import threading
from wenliu.training.__main__ import _end_with_owner

threading.Thread(target=_end_with_owner, daemon=True).start()
folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
print("shown", flush=True) if rank == 0 else print("hidden", flush=True)
(folder / f"pid-{rank}").write_text(str(os.getpid()))
if rank == 1:
    BODY
time.sleep(120)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Writes a module whose second process runs ``body``, and names it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(body: str) -> str:
        (tmp_path / "stand_in.py").write_text(STAND_IN.replace("BODY", body), "utf-8")
        return "stand_in"

    return write


def pids(folder):
    return [int(path.read_text()) for path in folder.glob("pid-*")]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rsplit(")", 1)[1].split()[0] != "Z"  # a zombie has ended: nobody reaps it here


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_one_process_where_there_is_one_device():
    assert choose_processes("auto", CPU, {}) == Processes(1, 1)
    assert choose_processes(1, torch.device("cuda:3"), {}) == Processes(1, 1)
    assert choose_processes(3, CPU, {}).total == 3


def test_a_process_for_each_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert choose_processes("auto", CUDA, {}) == Processes(4, 1)
    assert choose_processes("auto", torch.device("cuda:1"), {}) == Processes(1, 1)
    with pytest.raises(UserError, match="5 processes cannot train on the device cuda of 4"):
        choose_processes(5, CUDA, {})
    with pytest.raises(UserError, match="2 processes cannot train on the device mps"):
        choose_processes(2, torch.device("mps"), {})


def test_several_nodes_are_asked_for_by_torchruns_own_variables():
    found = {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "3", "WENLIU_JOB_FOLDER": "/shared/job"}
    assert choose_processes("auto", CPU, found) == Processes(3, 2)
    assert choose_processes(1, CPU, found) == Processes(1, 2)
    assert choose_processes("auto", CPU, {**found, "PET_NPROC_PER_NODE": "auto"}).total == 2
    with pytest.raises(UserError, match=r"(?s)2 nodes, but no folder.*WENLIU_JOB_FOLDER"):
        choose_processes("auto", CPU, {"PET_NNODES": "2"})
    with pytest.raises(UserError, match="'1:4' is no number of nodes"):
        choose_processes("auto", CPU, {"PET_NNODES": "1:4"})


def test_a_killed_process_ends_the_others_and_is_named(tmp_path, stand_in, capfd):
    run_torchrun(tmp_path, TWO, stand_in("os.kill(os.getpid(), signal.SIGKILL)"))
    assert len(pids(tmp_path)) == 2 and not any(map(alive, pids(tmp_path)))
    assert "ended by SIGKILL" in str(failure(tmp_path)) and "memory" in str(failure(tmp_path))
    assert capfd.readouterr().err == "shown\n"  # no report of torchrun's on the terminal


def test_what_ends_a_process_is_found_in_this_order(tmp_path):
    log = tmp_path / "torchrun.log"
    log.write_text("no module named wenliu", "utf-8")
    assert "The training processes failed:\n    no module named wenliu" in str(failure(tmp_path))
    for rank in (1, 0):  # the first lost its partner, after that had failed
        try:
            raise RuntimeError(f"the reason of {rank}")
        except RuntimeError as error:
            write_error(tmp_path, rank, error)
    text = str(failure(tmp_path))
    assert "process 1 failed" in text and "the reason of 1" in text and "of 0" not in text
    log.write_text("Root Cause (first observed failure):\n[0]:\n  exitcode  : -7 (pid: 1)", "utf-8")
    assert "ended by SIGBUS" in str(failure(tmp_path))
    write_error(tmp_path, 2, UserError("The loss became nan.", where="here", remedy="do this"))
    found = failure(tmp_path)
    assert (found.found, found.where, found.remedy) == ("The loss became nan.", "here", "do this")


def test_a_process_leaves_why_it_failed(tmp_path, monkeypatch):
    def run_job(folder):
        raise UserError(f"{folder.name} is no job.", remedy="write one")

    job = ModuleType("job")
    job.run_job = run_job
    monkeypatch.setitem(sys.modules, "wenliu.training.job", job)
    monkeypatch.setattr(sys, "argv", ["wenliu.training", str(tmp_path)])
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("TQDM_DISABLE", "")
    with pytest.raises(UserError):
        entry.main()
    (tmp_path / "torchrun.log").touch()
    assert failure(tmp_path).remedy == "write one"


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_processes_end_with_the_one_that_started_them(tmp_path, stand_in, number):
    program = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from wenliu.training.launch import Processes, run_torchrun\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"  # as `kedro run` does
        f"run_torchrun(Path({str(tmp_path)!r}), Processes(2), {stand_in('pass')!r})\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(pids(tmp_path)) == 2 and all(pids(tmp_path)))
        owner.send_signal(number)
        owner.wait(30)
        wait_until(lambda: not any(map(alive, pids(tmp_path))))
        torchrun = f"--log-dir\0{tmp_path}".encode()
        wait_until(lambda: not any(torchrun in line for line in command_lines()))
    finally:
        owner.kill()


def test_how_long_processes_may_take_to_leave_is_ours_to_say(tmp_path, stand_in):
    """Reliability 6: torchrun's 30 s are too few for a large checkpoint; all end within 120 s."""
    assert PATIENCE_SECONDS < launch.WORKER_SECONDS < launch.LEAVE_SECONDS < 120
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN); (folder / 'deaf').touch()"
    program = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from wenliu.training import launch\n"
        "launch.WORKER_SECONDS = 2\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
        f"module = {stand_in(body)!r}\n"
        f"launch.run_torchrun(Path({str(tmp_path)!r}), launch.Processes(2), module)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        wait_until((tmp_path / "deaf").exists)
        owner.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        owner.wait(60)
        assert 2 <= time.monotonic() - begun < 25
    finally:
        owner.kill()


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            yield path.read_bytes()
