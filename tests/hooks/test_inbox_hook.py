"""A nightly run begins with the inbox; what the guard refuses leaves the champion alone."""

import os
import shutil
import subprocess
import sys

import pytest

from wenliu.inbox import Folders, intakes, stored_files

TOPICS = [
    "售前咨询",
    "商品质量",
    "客服服务",
    "支付优惠",
    "物流配送",
    "账号登录",
    "软件故障",
    "退货退款",
]


def rows(labels, start=0, count=40):
    lines = [
        f"请问第{i}件事该怎么办才好,{labels[i % len(labels)]}" for i in range(start, start + count)
    ]
    return "\n".join(["内容,类别", *lines]) + "\n"


@pytest.fixture
def copy(finished_run, tmp_path):
    """A copy of the finished run that may be changed: its data are linked, not copied."""
    project = tmp_path / "project"
    shutil.copytree(finished_run / "data", project / "data", copy_function=os.link)
    for path in finished_run.iterdir():
        if path.is_dir() and path.name not in ("data", "logs"):
            shutil.copytree(path, project / path.name)
        elif path.is_file():
            shutil.copyfile(path, project / path.name)
    return project


def champion_of(project):
    folder = project / "data/07_model_output/feedback_topics/champion"
    return folder.readlink() if folder.is_symlink() else None


def wenliu(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "wenliu", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_an_unknown_label_fails_the_night_and_leaves_the_champion(copy, kedro):
    """Reliability 15: exit 1, the label and both ways out named, the champion untouched.

    The good file of the same night stays accepted, the broken one is in quarantine.
    """
    promoted = wenliu(copy, "promote", "1", "--reason", "first")
    assert promoted.returncode == 0, promoted.stderr
    champion = champion_of(copy)
    assert champion is not None
    folders = Folders.of(copy, "feedback_topics")
    folders.inbox.mkdir(parents=True)
    (folders.inbox / "good.csv").write_text(rows(TOPICS), "utf-8")
    (folders.inbox / "strange.csv").write_text(rows([*TOPICS, "发票"], 100), "utf-8")
    (folders.inbox / "broken.csv").write_text('内容,类别\n"没关,退货退款\n', "utf-8")
    night = kedro(copy, "run", "--pipelines", "nightly", "--params", "ingestion.inbox_settle=0")
    assert night.returncode == 1, night.stdout
    assert "Unknown label: '发票'" in night.stderr
    assert "wenliu labels add 发票" in night.stderr and "Traceback" not in night.stderr
    [strange] = [p for p in stored_files(folders.accepted) if p.name.endswith("strange.csv")]
    assert f"wenliu inbox reject '{strange.name}'" in night.stderr
    assert champion_of(copy) == champion
    outcomes = {file.name: file.outcome for file in intakes(copy, "feedback_topics")[-1].files}
    assert outcomes == {
        "good.csv": "accepted", "strange.csv": "accepted", "broken.csv": "quarantined",
    }  # fmt: skip
    assert wenliu(copy, "inbox", "reject", strange.name).returncode == 0
    assert [path.name[-8:] for path in stored_files(folders.accepted)] == ["good.csv"]


@pytest.mark.slow
def test_what_stopped_a_night_stops_the_next_one_until_somebody_decides(copy, kedro):
    """Reliability 15: real nights; ordinary rows that come later do not make the poisoned old."""
    folders = Folders.of(copy, "feedback_topics")
    folders.inbox.mkdir(parents=True)
    night = ("run", "--pipelines", "nightly", "--params", "ingestion.inbox_settle=0")
    (folders.inbox / "poison.csv").write_text(rows(TOPICS[:1], 0, 300), "utf-8")
    assert "300 new rows" in kedro(copy, *night).stderr
    (folders.inbox / "ordinary.csv").write_text(rows(TOPICS, 1000, 2000), "utf-8")
    later = kedro(copy, *night)
    assert later.returncode == 1 and "300 new rows" in later.stderr
    assert not folders.settled.exists()
    assert wenliu(copy, "inbox", "accept", "poison.csv", "--reason", "season").returncode == 0
    assert kedro(copy, "run", "--pipelines", "ingestion").returncode == 0


def test_only_a_nightly_run_takes_files_in(copy, kedro):
    folders = Folders.of(copy, "feedback_topics")
    folders.inbox.mkdir(parents=True)
    (folders.inbox / "good.csv").write_text(rows(TOPICS), "utf-8")
    assert kedro(copy, "run", "--pipelines", "ingestion").returncode == 0
    assert (folders.inbox / "good.csv").is_file() and not folders.accepted.exists()


@pytest.mark.slow
def test_all_files_of_a_problem_may_come_through_its_inbox(project, kedro):
    """The first night takes them in and says what to do; the next ones need nobody."""
    folders = Folders.of(project, "feedback_topics")
    folders.inbox.mkdir(parents=True)
    raw = [path for path in folders.root.iterdir() if path.is_file()]
    for path in raw:
        path.rename(folders.inbox / path.name)
    (project / "conf" / "base" / "frozen.yml").unlink(missing_ok=True)
    nightly = ("run", "--pipelines", "nightly", "--params", "ingestion.inbox_settle=0")
    first = kedro(project, *nightly)
    assert first.returncode == 1
    assert "wenliu freeze" in first.stderr and "Traceback" not in first.stderr
    assert len(stored_files(folders.accepted)) == len(raw)
    run = kedro(project, "run", "--to-nodes", "audit.audit_examples")
    assert run.returncode == 0, run.stderr
    frozen = wenliu(project, "freeze")
    assert frozen.returncode == 0, frozen.stderr
    (folders.inbox / "good.csv").write_text(rows(TOPICS), "utf-8")
    night = kedro(project, *nightly, "--to-nodes", "ingestion.read_examples")
    assert night.returncode == 0, night.stderr
    assert len(stored_files(folders.accepted)) == len(raw) + 1


def test_a_problem_that_would_not_read_what_it_accepts_is_refused(project, kedro):
    catalog = project / "conf" / "base" / "catalog" / "01_raw.yml"
    lines = [line for line in catalog.read_text("utf-8").splitlines() if "accepted:" not in line]
    text = "\n".join(lines).replace("path: data/01_raw/${globals:problem}", "path: elsewhere/a.csv")
    catalog.write_text(text, "utf-8")
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "a.csv").write_text(rows(TOPICS), "utf-8")
    inbox = Folders.of(project, "feedback_topics").inbox
    inbox.mkdir(parents=True)
    (inbox / "good.csv").write_text(rows(TOPICS, 100), "utf-8")
    night = kedro(project, "run", "--pipelines", "nightly")
    assert night.returncode == 1
    assert "leave out those that come through its inbox" in night.stderr
    assert "accepted: data/01_raw/feedback_topics/accepted" in night.stderr
    assert (inbox / "good.csv").is_file()
