"""Which environments there are: asked by `kedro run` and `wenliu predict` alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wenliu.environments import check_environment, problem_of, problems
from wenliu.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def conf_project(tmp_path, monkeypatch):
    """Two problems, an environment that names none, and no folder for ``local``."""
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    for env, problem in (("base", "bundled"), ("hotel", "hotel_reviews"), ("news", "news")):
        (tmp_path / "conf" / env).mkdir(parents=True)
        (tmp_path / "conf" / env / "globals.yml").write_text(f"problem: {problem}\n", "utf-8")
    (tmp_path / "conf" / "nameless").mkdir()
    return tmp_path


def test_problems_are_folders_with_a_name_of_their_own(conf_project):
    (conf_project / "conf" / "local").mkdir()
    (conf_project / "conf" / "local" / "globals.yml").write_text("problem: mine\n", "utf-8")
    assert problems(conf_project / "conf") == ["hotel", "news"]


@pytest.mark.parametrize("env", [None, "local", "base", "hotel"])
def test_known_environments_pass(conf_project, env):
    check_environment(env, conf_project / "conf")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ("hotle", "did you mean 'hotel'"),
        ("unknown", "known: hotel, news"),
        ("nameless", "problem: nameless"),
        ("../conf/hotel", "known: hotel, news"),
    ],
)
def test_other_environments_are_refused(conf_project, monkeypatch, env, told):
    with pytest.raises(UserError, match=told):
        check_environment(env, conf_project / "conf")
    monkeypatch.setenv("KEDRO_ENV", env)
    with pytest.raises(UserError, match=told):
        check_environment(None, conf_project / "conf")
    with pytest.raises(UserError, match=told):
        problem_of(conf_project, None)


def test_the_problem_is_what_globals_say(conf_project, monkeypatch):
    assert problem_of(conf_project, None) == "bundled"
    assert problem_of(conf_project, "base") == problem_of(conf_project, "local") == "bundled"
    assert problem_of(conf_project, "hotel") == "hotel_reviews"
    monkeypatch.setenv("KEDRO_ENV", "news")
    assert problem_of(conf_project, None) == "news"
    assert problem_of(conf_project, "hotel") == "hotel_reviews"
    (conf_project / "conf" / "base" / "globals.yml").write_text("problem: [\n", "utf-8")
    with pytest.raises(UserError, match="no YAML"):
        problem_of(conf_project, "local")
    (conf_project / "conf" / "base" / "globals.yml").write_text("", "utf-8")
    with pytest.raises(UserError, match="No problem is named"):
        problem_of(conf_project, "local")


def test_asking_imports_no_kedro():
    code = "import sys, wenliu.environments; print('kedro' in sys.modules, 'yaml' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
