"""``wenliu freeze`` in a project in which something has really run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wenliu.frozen import read_frozen
from wenliu.text.normal_form import normal_form_v1

STAGES = "--pipelines=ingestion,cleaning,splitting,audit"
FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
HEAD = "编号,内容,主题\n"


def freeze(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wenliu", "freeze", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def audited(project: Path):
    from wenliu.parts import Parts

    folder = project / "data/03_primary/feedback_topics/audited_examples"
    newest = max(path.parent for path in folder.glob("*/COMPLETE.json"))
    return Parts.open(newest / "audited_examples").to_pandas()


@pytest.fixture
def unfrozen(finished_run, tmp_path):
    """A project in which the bundled problem has run, and that was never frozen."""
    folder = Path(shutil.copytree(finished_run, tmp_path / "project", symlinks=True))
    (folder / "conf/base/frozen.yml").unlink()
    return folder


def test_frozen_rows_come_back_in_every_disguise_and_judge_all_the_same(unfrozen, kedro):
    """Reliability 16: real runs, a later file, 0 frozen rows in what is learned from."""
    told = freeze(unfrozen, WENLIU_CLOCK="2026-11-05T02:00:00+00:00")
    assert told.returncode == 0, told.stderr
    frozen = read_frozen(unfrozen, "feedback_topics")
    before = audited(unfrozen)
    test = before[before["split"] == "test"]
    forms = {form for form in map(normal_form_v1, test["text"]) if form}
    assert frozen.frozen_at.startswith("2026-11-05T02:00:0")
    assert len(frozen.gate) + len(frozen.audit) == len(forms)
    assert len(frozen.labels) == 8
    assert f"gate   {len(frozen.gate)} texts" in told.stdout
    assert "Warning" in told.stdout and "2,000" in told.stdout

    disguised = [
        text.replace('"', "")
        for original in test["text"].head(12)
        for text in (
            original.translate(FULL_WIDTH),
            "\u200b".join(original),
            original.replace("么", "麼").replace("这", "這"),
        )
    ]
    new = [f"今晚新来的第{number}条留言，说的是别的事情{number * 7}" for number in range(60)]
    lines = [f'z{n},"{text}",物流配送' for n, text in enumerate([*disguised, *new])]
    raw = unfrozen / "data/01_raw/feedback_topics"
    (raw / "训练_train_z.csv").write_text(HEAD + "\n".join(lines) + "\n", "utf-8")
    result = kedro(unfrozen, "run", STAGES)
    assert result.returncode == 0, result.stderr

    after = audited(unfrozen)
    learned = after[(after["split"] != "test") & after["dropped"].isna()]
    assert not forms & set(map(normal_form_v1, learned["text"]))
    judging = after[after["eval_set"].isin(["gate", "audit"])]
    assert sorted(judging["id"]) == sorted(
        test.loc[~test["text"].map(normal_form_v1).duplicated() & (test["text"] != ""), "id"]
    )
    late = after[after["source"] == "训练_train_z.csv"]
    assert set(late["split"]) == {"train", "validation", "test"}
    fresh = late[late["eval_set"] == "fresh"]
    assert 0 < len(fresh) < 20 and set(fresh["text"]) <= set(new)
    # Nobody else changed sides.
    old = after[after["source"] != "训练_train_z.csv"]
    assert old.set_index("id")["split"].equals(before.set_index("id")["split"])


def test_freezing_is_done_once(unfrozen):
    assert freeze(unfrozen).returncode == 0
    path = unfrozen / "conf/base/frozen.yml"
    before = path.read_bytes()
    for arguments in ((), ("--again",), ("--reason", "x")):
        again = freeze(unfrozen, *arguments)
        assert again.returncode == 1 and "Traceback" not in again.stderr
        assert "no later score can be compared" in again.stderr
        assert path.read_bytes() == before
    again = freeze(unfrozen, "--again", "--reason", "标签换了")
    assert again.returncode == 0, again.stderr
    found = read_frozen(unfrozen, "feedback_topics")
    assert found.reason == "标签换了"
    assert path.read_bytes().split(b"gate: |")[1] == before.split(b"gate: |")[1]


def test_other_rules_are_refused_and_a_skipping_run_notices_the_file(unfrozen, kedro):
    skipping = ("--runner", "wenliu.runner.FreshRunner")
    assert freeze(unfrozen).returncode == 0
    result = kedro(unfrozen, "run", STAGES, *skipping)
    assert result.returncode == 0, result.stderr
    assert "inputs changed (frozen_sets)" in result.stdout
    assert set(audited(unfrozen)["eval_set"].dropna()) == {"gate", "audit"}
    result = kedro(unfrozen, "run", STAGES, *skipping, "--params", "splitting.test=0.2")
    assert result.returncode == 1
    assert "splitting.test: 0.2, frozen with 0.1" in result.stderr


def test_there_is_nothing_to_freeze_before_a_run(project):
    (project / "conf/base/frozen.yml").unlink()
    result = freeze(project)
    assert result.returncode == 1 and "kedro run" in result.stderr


def test_another_problem_is_run_by_its_name(project):
    (project / "conf/hotel").mkdir()
    (project / "conf/hotel/globals.yml").write_text("problem: hotel\n", "utf-8")
    result = freeze(project, "--env", "hotel")
    assert result.returncode == 1
    assert "kedro run --env hotel" in result.stderr


def test_a_running_night_is_not_disturbed(unfrozen):
    from wenliu.lock import problem_lock

    with problem_lock(unfrozen, "feedback_topics", "kedro run nightly"):
        result = freeze(unfrozen)
    assert result.returncode == 75
    assert "kedro run nightly" in result.stderr
    assert not (unfrozen / "conf/base/frozen.yml").exists()
