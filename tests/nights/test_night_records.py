"""Records of nights on the disk."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

from wenliu import nights

DIES = """
import os, signal, sys
from pathlib import Path
from wenliu import nights
nights.write(Path(sys.argv[1]), nights.begin("p"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_record_is_read_as_it_was_written(tmp_path, make_nights):
    written = make_nights(12, problem="p")
    for night in reversed(written):
        nights.write(tmp_path, night)
    assert nights.read(tmp_path, "p") == written


def test_a_damaged_record_hides_no_other(tmp_path, make_nights, caplog):
    for night in make_nights(2, problem="p"):
        nights.write(tmp_path, night)
    folder = tmp_path / "data/08_reporting/p/nights"
    (folder / "half.json").write_text('{"problem": "p", "run', "utf-8")
    (folder / "list.json").write_text("[]", "utf-8")
    assert len(nights.read(tmp_path, "p")) == 2
    assert "half.json" in caplog.text and "list.json" in caplog.text


def test_a_later_field_does_not_make_records_unreadable(tmp_path, make_nights):
    [night] = make_nights(1, problem="p")
    nights.write(tmp_path, night)
    path = next((tmp_path / "data/08_reporting/p/nights").iterdir())
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "later": 1}), "utf-8")
    assert nights.read(tmp_path, "p") == [night]


def test_kedros_run_id_takes_the_place_of_the_provisional_one(tmp_path):
    provisional = nights.begin("p")
    night = replace(provisional, run_id="2026-01-01T02.00.00.000Z")
    nights.write(tmp_path, provisional)
    nights.rename(tmp_path, provisional, night)
    assert nights.read(tmp_path, "p") == [night]
    nights.forget(tmp_path, night)
    assert nights.read(tmp_path, "p") == []


def test_a_night_whose_process_was_killed_is_closed_and_a_living_one_is_not(tmp_path):
    """Reliability 6: after ``kill -9`` the next start says that the night was killed."""
    died = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], env={**os.environ})
    assert died.returncode == -signal.SIGKILL
    [left] = nights.read(tmp_path, "p")
    assert left.status == "running"
    alive = nights.begin("p")
    nights.write(tmp_path, alive)
    assert [night.run_id for night in nights.close_dead(tmp_path, "p")] == [left.run_id]
    assert nights.close_dead(tmp_path, "p") == []
    closed = {night.run_id: night.status for night in nights.read(tmp_path, "p")}
    assert closed == {left.run_id: "killed", alive.run_id: "running"}


def test_a_night_of_an_unknown_process_counts_as_gone_after_a_day(make_nights, monkeypatch):
    """On another machine, or written by nobody knows whom."""
    [night] = make_nights(1)
    elsewhere = {"host": "elsewhere", "pid": 1, "boot": "b", "start": "1"}
    for hours, dead in ((23, False), (25, True)):
        now = nights.stamp(night.started + timedelta(hours=hours))
        monkeypatch.setenv("WENLIU_CLOCK", now)
        for process in (elsewhere, {}, {"host": "h", "pid": "?"}):
            running = replace(night, status="running", outcome=None, process=process)
            assert nights.is_dead(running) == dead


def test_the_serving_version_is_where_the_link_points(tmp_path):
    assert nights.champion(tmp_path, "p") is None
    home = tmp_path / "data/07_model_output/p"
    (home / "champions/12").mkdir(parents=True)
    (home / "champion").symlink_to("champions/12")
    assert nights.champion(tmp_path, "p") == 12


def test_a_night_that_nobody_saw_end_ended_when_it_began(make_nights):
    [night] = make_nights(1)
    assert replace(night, finished_at=None).ended == night.started
