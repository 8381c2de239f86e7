"""`kedro run --runner wenliu.runner.FreshRunner`, as a user runs it, after a finished run."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

#: As the fixture ``finished_run`` ran.
QUICK = "finetuning.epochs=2,evaluation.bootstrap=200"
FRESH = ("run", "--runner", "wenliu.runner.FreshRunner")
IN_PROCESS = """
import sys
from kedro.framework.cli.cli import main
sys.argv = ["kedro", *{arguments!r}]
try:
    main()
except SystemExit as leave:
    assert not leave.code, leave.code
print("LOADED", [name for name in ("torch", "transformers", "sklearn", "onnxruntime")
                 if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def after_run(finished_run, tmp_path_factory):
    """A copy of the project in which the bundled problem has run, to go on from."""
    project = tmp_path_factory.mktemp("fresh") / "project"
    shutil.copytree(finished_run, project)
    with sqlite3.connect(project / "mlflow.db") as database:
        # Else the runs of the copy would write into the original.
        location = (project / "mlartifacts/feedback_topics").as_uri()
        database.execute(
            "update experiments set artifact_location=? where name='feedback_topics'", [location]
        )
    return project


def runs(project):
    """Tags and all logged metrics of the MLflow runs, oldest first."""
    with sqlite3.connect(project / "mlflow.db") as database:
        found = database.execute("select run_uuid from runs order by start_time").fetchall()
        tags = "select key, value from tags where run_uuid=?"
        metrics = "select key, step, value from metrics where run_uuid=? order by key, step"
        return [
            (dict(database.execute(tags, run)), database.execute(metrics, run).fetchall())
            for run in found
        ]


def markers(project):
    return sorted((project / "data").glob("0[2-8]_*/*/*/*/COMPLETE.json"))


@pytest.fixture(scope="module")
def second_run(after_run):
    """Standard output and error of a run after which nothing had changed."""
    before = markers(after_run)
    result = subprocess.run(
        [sys.executable, "-c", IN_PROCESS.format(arguments=[*FRESH, "--params", QUICK])],
        cwd=after_run,
        env={
            **{k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"},
            "PYTHONPATH": str(after_run / "src"),
            "KEDRO_DISABLE_TELEMETRY": "1",
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert markers(after_run) == before
    return result.stdout, result.stderr


def test_when_nothing_has_changed_no_node_runs_and_nothing_heavy_is_imported(second_run):
    _, errors = second_run
    assert "LOADED []" in errors
    assert [line for line in errors.splitlines() if line.startswith("[")] == [
        "[23/23] unchanged     cleaning (3), ingestion, splitting, audit (2), segmentation (2), "
        "tokenization (3), evaluation (6), finetuning (2), export (3)"
    ]


def test_the_summary_has_the_results_all_the_same(second_run, finished_run):
    summary, _ = second_run
    assert "all steps: the results are those of earlier runs" in summary
    first = (finished_run / "summary.txt").read_text("utf-8")
    scores = [line for line in first.splitlines() if "%" in line]
    assert scores and set(scores) <= set(summary.splitlines())
    assert "models:/feedback_topics/1 (same content as before" in summary


def test_every_mlflow_run_has_its_metrics_and_says_what_was_reused(second_run, after_run):
    (first, measured), (second, logged) = runs(after_run)[:2]
    assert logged == measured
    assert {"test.macro_f1", "train/loss"} <= {key for key, _, _ in logged}
    version = first["kedro.version.model"]
    assert second["kedro.version.model"] == version
    assert second["data.sha256"]
    reused = second["wenliu.reused"]
    assert reused.startswith(f"{version}: ") or f"; {version}: " in reused
    assert "finetuning.fit_model" in reused and "export.register_model" in reused


def test_a_changed_helper_runs_the_stages_that_use_it_and_is_named(second_run, after_run, kedro):
    helper = after_run / "src/wenliu/pipelines/segmentation/nodes.py"
    helper.write_text(helper.read_text("utf-8") + "\n# changed\n", "utf-8")
    result = kedro(after_run, *FRESH, "--pipelines", "segmentation", "--params", QUICK)
    assert result.returncode == 0, result.stderr
    assert "code changed (wenliu.pipelines.segmentation.nodes)" in result.stdout
    words = after_run / "data/04_feature/feedback_topics/words"
    old, new = (
        json.loads((folder / "COMPLETE.json").read_text("utf-8"))
        for folder in sorted(words.iterdir())
    )
    assert old["content"] == new["content"]


def test_a_changed_raw_file_is_read_again_and_named(second_run, after_run, kedro):
    file = after_run / "data/01_raw/feedback_topics/app_2026.jsonl"
    before = file.read_bytes()
    lines = before.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    result = kedro(after_run, *FRESH, "--pipelines", "ingestion")
    assert result.returncode == 0, result.stderr
    assert "read_examples: inputs changed (raw_files/app_2026.jsonl)" in result.stdout
    file.write_bytes(before)
    result = kedro(after_run, *FRESH, "--pipelines", "ingestion")
    assert "all steps" in result.stdout


def test_a_model_that_the_registry_lost_is_registered_again(second_run, after_run, kedro):
    with sqlite3.connect(after_run / "mlflow.db") as database:
        for table in ("model_version_tags", "model_versions", "registered_models"):
            database.execute(f"delete from {table}")
    result = kedro(after_run, *FRESH, "--pipelines", "export", "--params", QUICK)
    assert result.returncode == 0, result.stderr
    assert "register_model: the registry does not have it" in result.stdout
    assert "2 of 3 steps" in result.stdout


def test_asynchronous_loading_is_refused_in_a_few_lines(project, kedro):
    result = kedro(project, *FRESH, "--async")
    assert result.returncode == 1
    assert "--async" in result.stderr and "Traceback" not in result.stderr
