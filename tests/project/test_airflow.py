"""The DAG in a real Airflow 3, which is installed into an environment of its own."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wenliu import nights

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
AIRFLOW = "apache-airflow>=3,<4"
DAG = "wenliu_nightly_feedback_topics"
KEEPS = "import sys; open(sys.argv[1], 'a', encoding='utf-8').write(sys.stdin.read() + '\\n')"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """Runs a command of Airflow in a folder of its own.

    WENLIU_TEST_AIRFLOW names one that is installed already.
    """
    home = tmp_path_factory.mktemp("airflow")
    program = os.environ.get("WENLIU_TEST_AIRFLOW")
    if program is None:
        subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
        pip = [home / "venv/bin/python", "-m", "pip", "install", "--quiet", AIRFLOW]
        installed = subprocess.run(pip, capture_output=True, text=True)
        if installed.returncode:
            pytest.skip(f"Airflow cannot be installed here: {installed.stderr[-200:]}")
        program = str(home / "venv/bin/airflow")
    (home / "dags").mkdir()

    def run(*arguments, **variables):
        env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        env |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        return subprocess.run(
            [program, *arguments], cwd=home, env=env, capture_output=True, text=True, timeout=600
        )

    migrated = run("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr[-2000:]
    return home, run


@pytest.fixture(scope="module")
def project(finished_run, tmp_path_factory, airflow):
    """A project with quick settings, in a folder with a blank, and its DAG where Airflow looks."""
    folder = tmp_path_factory.mktemp("a project") / "文流 项目"
    shutil.copytree(finished_run, folder, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts"))
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    for name, quick in (("finetuning", "epochs: 2"), ("evaluation", "bootstrap: 200")):
        path = folder / f"conf/base/parameters/{name}.yml"
        key = quick.partition(":")[0]
        path.write_text(re.sub(rf"\b{key}: \S+", quick, path.read_text("utf-8"), count=1), "utf-8")
    home, _ = airflow
    made = subprocess.run(
        [sys.executable, "-m", "wenliu", "schedule", "airflow", "--at", "02:00",
         "-o", str(home / "dags/nightly.py")],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    # Nobody waits ten minutes for a retry here; that there are retries is what is looked at.
    dag = (home / "dags/nightly.py").read_text("utf-8")
    assert "retry_delay=timedelta(minutes=10)" in dag
    (home / "dags/nightly.py").write_text(dag.replace("minutes=10", "seconds=1"), "utf-8")
    return folder


def variables(project, told):
    """As somebody sets them for Airflow's workers."""
    return {
        "PYTHONPATH": str(project / "src"),
        "WENLIU_ALERT_COMMAND": shlex.join([sys.executable, "-c", KEEPS, str(told)]),
        "WENLIU_ALERT_ON": "always",
    }


def test_airflow_reads_the_dag(airflow, project):
    _, run = airflow
    found, wrong = (
        # Warnings come before it.
        json.loads(run("dags", what, "--local", "--output", "json").stdout.splitlines()[-1])
        for what in ("list", "list-import-errors")
    )
    assert [each["dag_id"] for each in found] == [DAG]
    assert wrong == []


def test_a_night_in_airflow_succeeds(airflow, project, tmp_path):
    _, run = airflow
    told = tmp_path / "told.jsonl"
    result = run("dags", "test", DAG, **variables(project, told))
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    [night] = nights.read(project, "feedback_topics")
    assert night.status == "succeeded"
    [message] = map(json.loads, told.read_text("utf-8").splitlines())
    assert message["run_id"] == night.run_id


def test_a_night_that_fails_is_tried_again_and_told_when_airflow_gives_up(
    airflow, project, tmp_path
):
    _, run = airflow
    path = project / "conf/base/parameters/model.yml"
    path.write_text(path.read_text("utf-8").replace("model:\n", "model:\n  sead: 1\n"), "utf-8")
    told = tmp_path / "told.jsonl"
    before = len(nights.read(project, "feedback_topics"))
    result = run("dags", "test", DAG, **variables(project, told))
    assert result.returncode != 0
    failed = nights.read(project, "feedback_topics")[before:]
    assert [night.status for night in failed] == ["failed"] * 3
    *tries, last = map(json.loads, told.read_text("utf-8").splitlines())
    assert [message["outcome"] for message in tries] == ["failed"] * 3
    assert last["event"] == "wenliu.airflow" and "given up after 3 tries" in last["text"]


def test_a_night_that_finds_the_lock_taken_is_skipped(airflow, project, tmp_path):
    """Exit code 75: another run does tonight's work, and nobody is called."""
    from wenliu.lock import problem_lock

    home, run = airflow
    dag = home / "dags/nightly.py"
    dag.write_text(dag.read_text("utf-8").replace('"3600"', '"1"'), "utf-8")
    told = tmp_path / "told.jsonl"
    with problem_lock(project, "feedback_topics", "a test"):
        result = run("dags", "test", DAG, **variables(project, told))
    assert "skipped" in result.stdout + result.stderr
    assert not told.exists()
