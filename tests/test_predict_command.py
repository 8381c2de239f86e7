"""``wenliu predict``: quick, from any directory, and it says with which bundle."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wenliu.errors import UserError
from wenliu.predict_command import problem_of, run

_HELPER = Path(__file__).parent / "serving" / "tiny_problem.py"
tiny_problem = runpy.run_path(str(_HELPER))["tiny_problem"]
VERSION = "2026-11-01T00.00.00.000Z"


@pytest.fixture(scope="module")
def project(tiny_problem, tmp_path_factory):
    """A project with one verified bundle of the problem ``tiny``, of the environment tiny_env."""
    root = tmp_path_factory.mktemp("project")
    (root / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "wenliu"\n')
    for env, text in (("base", "problem: feedback_topics\n"), ("tiny_env", "problem: tiny\n")):
        (root / "conf" / env).mkdir(parents=True)
        (root / "conf" / env / "globals.yml").write_text(text)
    (root / "conf" / "local").mkdir()
    version = root / "data/07_model_output/tiny/bundle" / VERSION
    shutil.copytree(tiny_problem.bundle, version / "bundle")
    report = root / "data/08_reporting/tiny/export_report" / VERSION
    report.mkdir(parents=True)
    for folder in (version, report):
        (folder / "COMPLETE.json").write_text("{}")
    return root


def test_one_text_gets_its_most_probable_labels(project, capsys):
    run(text="快递三天了还没到", env="tiny_env", project=project)
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 3
    shares = [float(line.split("%")[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.1)
    assert f"tiny, version {VERSION}" in printed.err


def test_a_file_gets_a_file_beside_it(project, tmp_path, capsys):
    source = tmp_path / "reviews.csv"
    source.write_text("id,text\n1,快递三天了还没到\n2,质量不错下次再来\n", "utf-8")
    run(file=source, env="tiny_env", project=project)
    written = tmp_path / "reviews.predictions.csv"
    assert len(written.read_text("utf-8-sig").splitlines()) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "2 rows of column 'text'" in printed.err


def test_an_empty_text_is_answered_with_a_warning(project, capsys):
    run(text=" \u200b", env="tiny_env", project=project)
    assert "leaves nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "a file or --text"),
        ({"text": "a", "file": Path("b")}, "a file or --text"),
        ({"file": Path("nowhere.csv")}, "no such file"),
        ({"text": "a", "env": "unknown"}, "tiny_env"),
        ({"text": "a"}, "no exported bundle yet"),
        ({"text": "a", "env": "tiny_env", "bundle": "1999"}, VERSION),
    ],
)
def test_what_cannot_be_done_says_what_can(project, given, found):
    with pytest.raises(UserError, match=found):
        run(**given, project=project)


def test_the_problem_is_what_globals_say(project, monkeypatch):
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    assert problem_of(project, None) == "feedback_topics"
    assert problem_of(project, "tiny_env") == "tiny"
    monkeypatch.setenv("KEDRO_ENV", "tiny_env")
    assert problem_of(project, None) == "tiny"


def test_from_any_directory_without_heavy_imports(project, tmp_path):
    """Reliability of the promise: 1.5 s; loaded modules are what costs, so they are looked at."""
    below = project / "conf" / "base"
    code = """
import sys, time
start = time.perf_counter()
from wenliu.predict_command import run
run(text="快递三天了还没到", env="tiny_env")
heavy = {"torch", "transformers", "kedro", "mlflow", "pandas", "pyarrow", "sklearn", "scipy"}
print(sorted(heavy & set(sys.modules)), time.perf_counter() - start, file=sys.stderr)
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    env.pop("KEDRO_ENV", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=below, env=env, capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 3
    modules, seconds = done.stderr.splitlines()[-1].rsplit(" ", 1)
    assert modules == "[]"
    assert float(seconds) < 5  # 0.4 s on a quiet machine
