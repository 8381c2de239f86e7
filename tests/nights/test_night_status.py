"""`wenliu status` and `wenliu history`, as a monitor calls them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from wenliu import nights


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text('package_name = "wenliu"\n', "utf-8")
    (tmp_path / "conf/base").mkdir(parents=True)
    (tmp_path / "conf/base/globals.yml").write_text("problem: 酒店评论\n", "utf-8")
    return tmp_path


def wenliu(project, *arguments, now=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KEDRO", "WENLIU"))}
    if now:
        env["WENLIU_CLOCK"] = nights.stamp(now)
    return subprocess.run(
        [sys.executable, "-m", "wenliu", *arguments],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


def last_ended(night, outcome, minutes=20, **fields):
    status = outcome if outcome in ("failed", "killed") else "succeeded"
    ended = nights.stamp(night.started + timedelta(minutes=minutes))
    return replace(night, status=status, outcome=outcome, finished_at=ended, **fields)


@pytest.mark.parametrize("outcome", ["promoted", "refused", "unchanged"])
def test_a_recent_night_that_ended_well_is_fresh_whatever_it_decided(project, make_nights, outcome):
    [night] = make_nights(1)
    night = last_ended(night, outcome)
    nights.write(project, night)
    told = wenliu(project, "status", now=night.ended + timedelta(hours=25))
    assert (told.returncode, told.stderr) == (0, "")
    assert "酒店评论: fresh" in told.stdout and "nothing" in told.stdout.splitlines()[-1]


def test_a_success_older_than_26_hours_is_stale_and_says_what_to_do(project, make_nights):
    """Reliability 13: exit code 2."""
    [night] = make_nights(1)
    night = last_ended(night, "promoted")
    nights.write(project, night)
    late = night.ended + timedelta(hours=26, minutes=1)
    told = wenliu(project, "status", now=late)
    assert told.returncode == 2
    assert "stale" in told.stdout and "run --pipelines nightly" in told.stdout
    assert wenliu(project, "status", "--max-age", "30", now=late).returncode == 0


@pytest.mark.parametrize("outcome", ["failed", "killed"])
def test_a_failed_night_after_a_recent_success_is_failing(project, make_nights, outcome):
    good, bad = make_nights(2)
    for night in (last_ended(good, "promoted"), bad := last_ended(bad, outcome, reason="Why.")):
        nights.write(project, night)
    soon = bad.started + timedelta(hours=1)
    told = wenliu(project, "status", now=soon)
    assert told.returncode == 1
    assert f"{outcome}. Why." in told.stdout and "goes on from where it stopped" in told.stdout
    # Reliability 13 has the last word: a day later the model is simply too old.
    assert wenliu(project, "status", now=soon + timedelta(hours=3)).returncode == 2


def test_no_night_at_all_is_stale_and_names_the_first_steps(project):
    told = wenliu(project, "status")
    assert told.returncode == 2
    assert "never" in told.stdout and "wenliu schedule install" in told.stdout


def test_a_night_that_died_counts_as_killed_before_anything_has_closed_it(project, make_nights):
    good, died = make_nights(2)
    gone = {"host": os.uname().nodename, "pid": 2**22 + 1, "boot": "", "start": "1"}
    for night in (
        last_ended(good, "promoted"),
        replace(died, status="running", outcome=None, process=gone),
    ):
        nights.write(project, night)
    told = wenliu(project, "status", "--json", now=died.started + timedelta(hours=1))
    assert told.returncode == 1
    content = json.loads(told.stdout)
    assert content["state"] == "failing" and content["last_night"]["outcome"] == "killed"


def test_status_answers_in_a_second_with_a_year_of_nights(project, make_nights):
    for night in make_nights(365):
        nights.write(project, night)
    before = os.times()
    wenliu(project, "status")
    after = os.times()
    # Of the processor: the machine may be busy with something else.
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system < 1.0


def test_history_lists_every_night_and_names_the_page(project, make_nights):
    for night in make_nights(5):
        nights.write(project, night)
    told = wenliu(project, "history")
    assert told.returncode == 0
    assert len([line for line in told.stdout.splitlines() if "2026-01" in line]) == 5
    assert "history.html" in told.stdout
    records = json.loads(wenliu(project, "history", "--json").stdout)
    assert [record["started_at"] for record in records] == sorted(r["started_at"] for r in records)
    assert wenliu(project, "history", "--env", "nobody").returncode == 1


def test_where_nothing_serves_after_a_refusal_it_says_how_to_change_that(project, make_nights):
    [night] = make_nights(1)
    nights.write(project, last_ended(night, "refused", champion=None, challenger=3))
    result = wenliu(project, "status", now=night.started + timedelta(hours=1))
    assert result.returncode == 0
    assert "wenliu promote 3 --reason WHY" in result.stdout
