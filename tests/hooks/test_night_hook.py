"""Nightly runs in processes of their own, and what they leave: a line, a record, a page."""

import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from wenliu import nights
from wenliu.lock import problem_lock

PROBLEM = "feedback_topics"
#: As the fixture ``finished_run`` ran.
QUICK = ("--params", "finetuning.epochs=2,evaluation.bootstrap=200")
NIGHTLY = ("run", "--pipelines", "nightly")


@pytest.fixture(scope="module")
def after_run(finished_run, tmp_path_factory):
    """A copy of the project in which the bundled problem has run once, but no night yet."""
    project = tmp_path_factory.mktemp("nights") / "project"
    shutil.copytree(finished_run, project)
    with sqlite3.connect(project / "mlflow.db") as database:
        location = (project / "mlartifacts" / PROBLEM).as_uri()
        database.execute("update experiments set artifact_location=?", [location])
    return project


@pytest.fixture(scope="module")
def first_night(after_run, kedro):
    """A night whose training was done already, with alert targets that hang.

    Returns:
        The finished process, and the seconds from its line on standard output to its end.
    """
    # Connections are made by the kernel; nobody ever reads or answers.
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/SECRET"
        variables = {
            "WENLIU_ALERT_WEBHOOK": url,
            "WENLIU_ALERT_COMMAND": "sleep 100",
            "WENLIU_ALERT_ON": "always",
        }
        process = start(after_run, *NIGHTLY, *QUICK, **variables)
        line = process.stdout.readline()
        told = time.monotonic()
        rest, errors = process.communicate(timeout=300)
        return process.returncode, line + rest, errors, time.monotonic() - told


@pytest.fixture(scope="module")
def second_night(first_night, after_run, kedro):
    """A night before which nothing had changed; a training that was given up has left a folder."""
    forgotten(after_run).mkdir(parents=True)
    os.utime(forgotten(after_run), (0, 0))
    return kedro(after_run, *NIGHTLY, *QUICK)


def forgotten(project):
    return project / "data/06_models" / PROBLEM / "workspace/of-long-ago"


def start(project, *arguments, **variables):
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env={
            **{k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"},
            "PYTHONPATH": str(project / "src"),
            "KEDRO_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def lines_of(stdout):
    """Standard output holds JSON lines and nothing else."""
    return [json.loads(line) for line in stdout.splitlines()]


def records(project):
    return nights.read(project, PROBLEM)


def versions(project):
    with sqlite3.connect(project / "mlflow.db") as database:
        return database.execute("select count(*) from model_versions").fetchone()[0]


def test_a_night_says_one_line_and_leaves_a_record_and_a_page(first_night, after_run):
    code, stdout, errors, _ = first_night
    assert code == 0, errors
    [line] = lines_of(stdout)
    night = records(after_run)[0]
    assert line["run_id"] == night.run_id and line["outcome"] == night.outcome == "promoted"
    assert line["text"].lower().count("promoted") == 1
    assert line["reason"] == night.decision["reason"] and night.champion == night.challenger == 1
    assert night.rows["total"] == 1435 and night.scores["gate"]["rows"] > 0
    folder = nights.reports(after_run, PROBLEM)
    assert (folder / night.decision["page"]).is_file()
    assert night.decision["page"] in (folder / "history.html").read_text("utf-8")


def test_the_summary_for_people_goes_to_standard_error(first_night):
    _, _, errors, _ = first_night
    assert "verdict" in errors and "Next:" in errors


def test_a_run_whose_alert_targets_hang_succeeds_and_ends_in_time(first_night):
    """Reliability 19: at most 20 s after it was done; a server and a program that never answer."""
    code, _, errors, waited = first_night
    assert code == 0 and waited < 20
    assert "alert webhook" in errors and "command took too long" in errors
    assert "SECRET" not in errors


def test_without_new_data_a_night_succeeds_and_trains_nothing(second_night, after_run):
    """Reliability 11: exit code 0, outcome unchanged, no new version of the model."""
    assert second_night.returncode == 0, second_night.stderr
    [line] = lines_of(second_night.stdout)
    assert (line["status"], line["outcome"]) == ("succeeded", "unchanged")
    assert line["champion"] == 1
    steps = [text for text in second_night.stderr.splitlines() if text.startswith("[")]
    assert not [text for text in steps if "] finetuning" in text or "] export" in text]
    assert versions(after_run) == 1


def test_a_night_that_succeeded_deletes_what_nobody_needs(second_night, after_run):
    """Reliability 12: retention runs by itself."""
    assert second_night.returncode == 0 and not forgotten(after_run).exists()


def test_a_night_that_finds_the_lock_taken_is_no_night(first_night, after_run, kedro):
    before = records(after_run)
    with problem_lock(after_run, PROBLEM, "a test"):
        result = kedro(after_run, *NIGHTLY)
    assert (result.returncode, result.stdout) == (75, "")
    assert records(after_run) == before


def test_a_misspelt_parameter_is_a_failed_night(first_night, after_run, kedro):
    """What stops a run before Kedro's first hook is in the record all the same."""
    path = after_run / "conf/base/parameters/model.yml"
    content = path.read_text("utf-8")
    path.write_text(content.replace("model:\n", "model:\n  sead: 3\n"), "utf-8")
    result = kedro(after_run, *NIGHTLY)
    path.write_text(content, "utf-8")
    assert result.returncode == 1
    [line] = lines_of(result.stdout)
    assert line["outcome"] == "failed" and "model.yml:2" in line["reason"]
    assert line["champion"] == 1  # untouched
    assert records(after_run)[-1].error["type"] == "UserError"


@pytest.mark.slow
@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_night_that_is_stopped_says_so_at_once_or_at_the_next_start(
    second_night, after_run, kedro, tmp_path, signal_
):
    """Reliability 6: SIGTERM is recorded by the run itself, ``kill -9`` by the next one."""
    process = start(after_run, *NIGHTLY, "--params", "finetuning.epochs=60")
    for line in process.stderr:
        if "finetuning" in line and "unchanged" not in line:
            break
    running = records(after_run)[-1]
    assert running.status == "running"
    process.send_signal(signal_)
    stdout, _ = process.communicate(timeout=120)
    if signal_ == signal.SIGTERM:
        assert process.returncode == 128 + signal.SIGTERM
        [line] = lines_of(stdout)
        assert line["outcome"] == "killed" and "SIGTERM" in line["reason"]
        assert records(after_run)[-1].status == "killed"
        return
    assert (process.returncode, stdout) == (-signal.SIGKILL, "")
    keeps = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + '\\n')"
    told = tmp_path / "told.jsonl"
    command = shlex.join([sys.executable, "-c", keeps, str(told)])
    result = kedro(after_run, *NIGHTLY, *QUICK, WENLIU_ALERT_COMMAND=command)
    assert result.returncode == 0, result.stderr
    killed, tonight = lines_of(result.stdout)
    assert (killed["run_id"], killed["outcome"]) == (running.run_id, "killed")
    assert tonight["outcome"] == "unchanged"
    assert [message["outcome"] for message in lines_of(told.read_text("utf-8"))] == ["killed"]


@pytest.mark.slow
def test_some_steps_of_a_night_are_none_and_the_model_they_leave_is_judged_by_the_next(
    second_night, after_run, kedro
):
    """Reliability 6: as when a night was interrupted between training and judging."""
    before = records(after_run)
    other = ("--params", "finetuning.epochs=1,evaluation.bootstrap=200")
    some = kedro(after_run, *NIGHTLY, *other, "--to-outputs", "registered_model")
    assert some.returncode == 0, some.stderr
    assert "model" in some.stdout and not some.stdout.startswith("{")
    assert records(after_run) == before
    result = kedro(after_run, *NIGHTLY, *other)
    assert result.returncode == 0, result.stderr
    [line] = lines_of(result.stdout)
    assert line["outcome"] in ("promoted", "refused")
    assert line["text"].lower().count(line["outcome"]) == 1
    trains = "finetuning    fit model"
    assert trains in some.stderr and trains not in result.stderr


def test_other_runs_keep_their_summary_on_standard_output(after_run, kedro):
    before = records(after_run)
    result = kedro(after_run, "run", "--runner", "wenliu.runner.FreshRunner", *QUICK)
    assert result.returncode == 0 and "Next:" in result.stdout
    assert records(after_run) == before
