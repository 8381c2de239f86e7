"""How runs end that do not end well, and what MLflow says of them: real runs, real signals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

PROBLEM = "feedback_topics"
#: Appended to the module of the first node, so that it waits or leaves as the test wants it.
BEHAVE = """

def _behaving(read):
    import functools, os, time
    from pathlib import Path

    @functools.wraps(read)
    def behave(*arguments, **more):
        Path("started").touch()
        what = os.environ.get("TEST_NODE", "")
        if what == "exit":
            raise SystemExit(3)
        if what == "interrupt":
            raise KeyboardInterrupt
        while what == "wait" and not Path("go_on").exists():
            time.sleep(0.02)
        return read(*arguments, **more)

    return behave


read_examples = _behaving(read_examples)
"""


@pytest.fixture
def project(project, empty_store):
    """A project whose ingestion behaves, with a database that needs no migration."""
    with (project / "src/wenliu/pipelines/ingestion/nodes.py").open("a") as file:
        file.write(BEHAVE)
    shutil.copyfile(empty_store, project / "mlflow.db")
    return project


def start(project, *arguments, **variables):
    env = {
        **os.environ,
        "PYTHONPATH": str(project / "src"),
        "KEDRO_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    if "MLFLOW_TRACKING_URI" not in variables:
        env.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", "ingestion", *arguments]
    return subprocess.Popen(
        command, cwd=project, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path, process, seconds=120):
    for _ in range(seconds * 50):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()[1][-2000:]
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


def store(project):
    """A client of the project's database, and the experiment."""
    from wenliu.tracking import open_store

    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to what was opened last
    return open_store(project, PROBLEM)


def runs(project):
    """Status and tags of all runs, oldest first."""
    client, experiment = store(project)
    found = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    return [(run.info.status, run.data.tags) for run in found]


def test_kill_9_leaves_an_orphan_that_the_next_start_closes(project):
    """Reliability 6: RUNNING for ever becomes KILLED; a run of another machine is left alone."""
    killed = start(project, TEST_NODE="wait")
    wait_for(project / "started", killed)
    killed.kill()
    killed.wait()
    [(status, tags)] = runs(project)
    assert (status, tags["proc.pid"]) == ("RUNNING", str(killed.pid))
    client, experiment = store(project)
    elsewhere = client.create_run(experiment, tags={**tags, "proc.host": "another-machine"})
    after = start(project)
    said = after.communicate(timeout=120)
    assert after.returncode == 0, said[1][-2000:]
    assert [status for status, _ in runs(project)] == ["KILLED", "RUNNING", "FINISHED"]
    assert "wenliu.reaped" in runs(project)[0][1]
    client.set_terminated(elsewhere.info.run_id)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_as_killed(project, number, code):
    """Reliability 6: SIGTERM and Ctrl-C."""
    run = start(project, TEST_NODE="wait")
    wait_for(project / "started", run)
    run.send_signal(number)
    run.communicate(timeout=60)
    assert run.returncode == code
    assert [status for status, _ in runs(project)] == ["KILLED"]


@pytest.mark.parametrize("what", ["exit", "interrupt"])
def test_who_leaves_within_a_node_has_not_finished(project, what):
    """Reliability 6: SystemExit and KeyboardInterrupt reach no Kedro hook."""
    run = start(project, TEST_NODE=what)
    run.communicate(timeout=120)
    assert run.returncode != 0
    assert [status for status, _ in runs(project)] == ["KILLED"]


def test_a_second_run_leaves_in_two_seconds_and_others_are_not_held_up(project, kedro):
    """Reliability 3: exit 75 naming the first; inference, viewing and the catalog go on."""
    first = start(project, TEST_NODE="wait")
    wait_for(project / "started", first)
    started = time.monotonic()
    second = start(project)
    _, said = second.communicate(timeout=60)
    seconds = time.monotonic() - started
    assert second.returncode == 75
    assert f"kedro run --pipelines ingestion, process {first.pid} on {socket.gethostname()}" in said
    assert "Traceback" not in said
    assert seconds < 2 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), seconds
    for arguments in (["catalog", "describe-datasets"], ["registry", "list"]):
        assert kedro(project, *arguments).returncode == 0
    inference = kedro(project, "run", "--pipelines", "inference")
    assert inference.returncode == 1
    assert "There is nothing to predict" in inference.stderr
    queued = start(project, "--wait", "100")
    assert f"process {first.pid}" in queued.stderr.readline()
    (project / "go_on").touch()
    assert first.wait(120) == 0
    queued.communicate(timeout=120)
    assert queued.returncode == 0
    assert [status for status, _ in runs(project)][:2] == ["FINISHED", "FAILED"]


@pytest.fixture
def server(tmp_path, empty_store):
    """A real MLflow server with a database of its own; gives its process and address."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
            "--artifacts-destination", str(folder / "artifacts"),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, "the server has left"
                time.sleep(0.1)
        yield process, address
    finally:
        _stop(process)


def _stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_goes_away_takes_no_run_along(project, server):
    """Reliability 19: the run ends well, says it once, and does not ask for minutes."""
    process, address = server
    run = start(project, TEST_NODE="wait", MLFLOW_TRACKING_URI=address)
    wait_for(project / "started", run)
    _stop(process)
    started = time.monotonic()
    (project / "go_on").touch()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said[-2000:]
    assert said.count("MLflow does not answer: the run goes on") == 1
    assert "Traceback" not in said
    assert time.monotonic() - started < 30
    examples = project / f"data/02_intermediate/{PROBLEM}/examples"
    assert list(examples.glob("*/COMPLETE.json")) or list(
        project.glob(f"data/*/{PROBLEM}/examples/*/COMPLETE.json")
    )


@pytest.mark.slow
def test_a_server_that_goes_away_before_registration_keeps_the_bundle(project, server):
    """Reliability 19: training finishes, the artefact is kept, the error says what to do."""
    process, address = server
    run = start(
        project, "--pipelines", "__default__", "--params",
        "finetuning.epochs=1,evaluation.bootstrap=200",
        TEST_NODE="wait", MLFLOW_TRACKING_URI=address,
    )  # fmt: skip
    wait_for(project / "started", run)
    _stop(process)
    (project / "go_on").touch()
    _, said = run.communicate(timeout=400)
    assert run.returncode == 1
    assert "The model could not be registered" in said
    assert "The bundle is complete in" in said and "kedro run --pipelines export" in said
    assert "Traceback" not in said
    [marker] = project.glob(f"data/07_model_output/{PROBLEM}/bundle/*/COMPLETE.json")
    assert (Path(marker).parent / "bundle/model.onnx").is_file()


FIRST_START = """
import sys
from pathlib import Path
from wenliu.tracking import open_store
client, experiment = open_store(Path(sys.argv[1]), "tickets")
client.create_run(experiment)
"""


@pytest.mark.slow
def test_six_first_starts_from_six_folders_make_one_database(tmp_path):
    """Reliability 10: 6 of 6; without the lock around the migrations 5 of 6 crashed."""
    from wenliu.tracking import open_store

    os.environ.pop("MLFLOW_TRACKING_URI", None)
    project = tmp_path / "project"
    project.mkdir()
    processes = []
    for number in range(6):
        folder = tmp_path / f"somewhere {number}"
        folder.mkdir()
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", FIRST_START, str(project)],
                cwd=folder,
                env={
                    **{k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"},
                    "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
                },
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, said
    assert list(tmp_path.rglob("mlflow.db")) == [project / "mlflow.db"]
    assert not list(tmp_path.rglob("mlruns"))
    client, experiment = open_store(project, "tickets")
    assert len(client.search_runs([experiment])) == 6
