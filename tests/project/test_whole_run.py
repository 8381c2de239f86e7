"""The main job, run as a user runs it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import yaml


def report(project, name, problem="feedback_topics"):
    versions = sorted((project / "data/08_reporting" / problem / name).iterdir())
    return json.loads((versions[-1] / f"{name}.json").read_text("utf-8"))


def runs(project):
    """Status and tags of the MLflow runs, oldest first."""
    with sqlite3.connect(project / "mlflow.db") as database:
        rows = database.execute("select run_uuid, status from runs order by start_time").fetchall()
        return [
            (status, dict(database.execute("select key, value from tags where run_uuid=?", [run])))
            for run, status in rows
        ]


def test_the_summary_says_what_happened_where_it_is_and_what_to_do_next(finished_run):
    summary = (finished_run / "summary.txt").read_text("utf-8")
    for expected in (
        "rows", "quarantine", "another label", "leak", "baseline", "random weights", "ONNX",
        "evaluation_page.html", "bundle", "MLflow", "kedro run --env", "wenliu predict", "make ui",
    ):  # fmt: skip
        assert expected in summary, expected


def test_every_stage_left_its_report_and_its_marker(finished_run):
    for stage in (
        "ingestion", "cleaning", "splitting", "audit", "segmentation", "tokenization",
        "finetuning", "evaluation", "export",
    ):  # fmt: skip
        assert report(finished_run, f"{stage}_report")
    versions = list((finished_run / "data").glob("0[2-8]_*/feedback_topics/*/*/COMPLETE.json"))
    assert len({path.parent.name for path in versions}) == 1
    assert len(versions) >= 30


def test_mlflow_has_one_finished_run_with_everything_in_it(finished_run):
    [(status, tags)] = runs(finished_run)
    assert status == "FINISHED"
    assert tags["kedro.pipelines"] == "__default__"
    assert "kedro.version.model" in tags and "kedro.version.examples" in tags
    assert len(tags["data.sha256"]) == 64
    with sqlite3.connect(finished_run / "mlflow.db") as database:
        metrics = {key for (key,) in database.execute("select key from latest_metrics")}
        params = dict(database.execute("select key, value from params"))
        [(location,)] = database.execute(
            "select artifact_location from experiments where name='feedback_topics'"
        )
    assert {"test.accuracy", "test.macro_f1", "train/loss"} <= metrics
    assert params["finetuning.epochs"] == "2" and params["model.checkpoint"] == "scratch"
    assert location == (finished_run / "mlartifacts/feedback_topics").as_uri()
    names = {path.name for path in (finished_run / "mlartifacts").rglob("*")}
    assert {
        "evaluation_page.html",
        "audit_report.json",
        "keywords_plot.svg",
        "raw_files.json",
    } <= names


def test_no_workspace_is_left_after_export(finished_run):
    workspaces = finished_run / "data/06_models/feedback_topics/workspace"
    assert not list(workspaces.glob("*/*"))


TINY = ("太慢了等了三天", "质量不错很喜欢", "退款一直没到账", "颜色和图片一样")


def test_a_tiny_problem_runs_from_another_working_directory_and_then_in_part(project, kedro):
    """Ten lines of configuration are a problem; a stage alone continues from what is there."""
    raw = project / "data/01_raw/tiny"
    raw.mkdir(parents=True)
    rows = [f"{text}{n}号\t{i % 2}" for n in range(20) for i, text in enumerate(TINY)]
    (raw / "all.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n", "utf-8")
    (project / "conf/tiny").mkdir()
    (project / "conf/tiny/globals.yml").write_text("problem: tiny\n")
    settings = {"finetuning": {"epochs": 1}, "evaluation": {"bootstrap": 100}}
    (project / "conf/tiny/parameters.yml").write_text(yaml.safe_dump(settings))
    result = kedro(project, "run", "--env", "tiny", cwd=project / "conf")
    assert result.returncode == 0, result.stderr
    assert "tiny" in result.stdout
    assert list(project.rglob("mlflow.db")) == [project / "mlflow.db"]

    again = kedro(project, "run", "--env", "tiny", "--pipelines", "evaluation", cwd=raw)
    assert again.returncode == 0, again.stderr
    first, second = sorted((project / "data/07_model_output/tiny/metrics").iterdir())
    assert (first / "metrics.json").read_text() == (second / "metrics.json").read_text()
    marker = json.loads((second / "COMPLETE.json").read_text())
    assert set(marker["inputs"].values()) <= {first.name, second.name}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--env", "chnsenticrop"], "did you mean 'chnsenticorp'"),
        (["--params", "finetuning.epohcs=1"], "did you mean 'epochs'"),
        (["--params", "finetunning.epochs=1"], "did you mean 'finetuning'"),
        (["--params", "model.checkpoint=/nowhere/bert"], "/nowhere/bert"),
        (["--pipelines", "evaluation"], "has no complete version"),
        (["--pipelines", "evalution"], "evaluation"),
    ],
)
def test_a_user_error_is_a_few_lines_without_a_traceback(project, kedro, arguments, expected):
    result = kedro(project, "run", *arguments)
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    error = result.stderr[result.stderr.index("Error") :]
    assert len(error.splitlines()) <= 8, error
    assert "Traceback" in (project / "logs/wenliu.log").read_text("utf-8")


def test_a_catalog_entry_that_nobody_uses_is_named(project, kedro):
    with (project / "conf/base/catalog/02_intermediate.yml").open("a") as file:
        file.write("\nexmaples:\n  type: wenliu.datasets.RawFiles\n  path: x\n")
    result = kedro(project, "run")
    assert result.returncode == 1
    assert "'exmaples'" in result.stderr and "02_intermediate.yml" in result.stderr


def test_a_failing_node_leaves_a_failed_run_and_no_version_of_its_output(project, kedro):
    (project / "data/01_raw/feedback_topics/2024全年.csv").write_text('编号,内容,主题\n1,"没关,x\n')
    result = kedro(project, "run")
    assert result.returncode == 1
    assert "2024全年.csv" in result.stderr and "Traceback" not in result.stderr
    assert [status for status, _ in runs(project)] == ["FAILED"]
    assert not list((project / "data").glob("02_intermediate/*/*/*/COMPLETE.json"))


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_is_recorded_as_killed(project, stop):
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list((project / "data").glob("05_model_input/*/token_ids/*/COMPLETE.json")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    process.send_signal(stop)
    assert process.wait(timeout=60) != 0
    assert [status for status, _ in runs(project)] == ["KILLED"]
