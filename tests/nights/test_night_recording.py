"""The record around a run, with the real hook and without a pipeline."""

import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog, MemoryDataset

from wenliu import nights
from wenliu.errors import UserError
from wenliu.hooks.night import NightHook
from wenliu.hooks.night_results import NightResults
from wenliu.inbox import Folders, Intake, IntakeFile

KEEPS = "import sys; open(sys.argv[1], 'a', encoding='utf-8').write(sys.stdin.read() + '\\n')"
STAMP = "20260101T02{:02d}00Z"
REFUSAL = {"decision": "refuse", "unchanged": False, "strategy": "s", "reason": "It is worse."}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Messages that the alert command got."""
    kept = tmp_path / "told.jsonl"
    command = shlex.join([sys.executable, "-c", KEEPS, str(kept)])
    monkeypatch.setenv("WENLIU_ALERT_COMMAND", command)
    monkeypatch.setattr("wenliu.retention.prune", lambda project, problem: None)
    return lambda: [json.loads(line) for line in kept.read_text("utf-8").splitlines()]


def dead(make_nights):
    gone = {"host": socket.gethostname(), "pid": 2**22 + 1, "start": "1"}
    return replace(make_nights(1, "p")[0], status="running", outcome=None, process=gone)


def serve(project, version):
    """Turns the link as a promotion, or the registry hook, does."""
    link = project / "data/07_model_output/p/champion"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(f"champions/{version}")


def a_night(project, *, mended=None, made=(), reused=(), promoted=None):
    """A night that succeeds.

    Args:
        project: Its folder.
        mended: Version that the registry hook turns the link to at the start.
        made: Datasets that nodes make.
        reused: Datasets that are found made.
        promoted: Version that serves at the end.
    """
    hook = NightHook()
    catalog = DataCatalog({"decision": MemoryDataset(REFUSAL)})
    with hook.recording(project, "p"):
        if mended:
            serve(project, mended)
        hook.before_pipeline_run({"run_id": "2026-01-01T02.00.00.000Z"}, catalog)
        for name in reused:
            node = SimpleNamespace(outputs=[name])
            hook.after_node_decided(node, SimpleNamespace(reused="earlier"))
        for name in made:
            hook.after_node_run(SimpleNamespace(outputs=[name]))
        if promoted:
            serve(project, promoted)
    return nights.read(project, "p")[-1]


def test_a_refusal_of_a_model_that_another_night_has_trained_is_one_and_is_told(tmp_path, told):
    """Reliability 6: the retry of an interrupted night reuses the model, and judges it."""
    night = a_night(tmp_path, reused=["model"], made=["decision", "champion"])
    assert (night.outcome, night.reason) == ("refused", "It is worse.")
    assert [message["outcome"] for message in told()] == ["refused"]


def test_a_refusal_that_was_cut_off_before_it_was_carried_out_is_still_one(tmp_path, told):
    assert a_night(tmp_path, reused=["decision"], made=["champion"]).outcome == "refused"


def test_a_decision_of_another_night_is_no_news(tmp_path, told):
    assert a_night(tmp_path, reused=["model", "decision", "champion"]).outcome == "unchanged"


def test_a_link_that_was_mended_at_the_start_is_no_promotion(tmp_path, told):
    serve(tmp_path, 1)
    assert a_night(tmp_path, mended=2, reused=["decision", "champion"]).outcome == "unchanged"
    night = a_night(tmp_path, reused=["decision"], made=["champion"], promoted=3)
    assert (night.outcome, night.champion) == ("promoted", 3)


def test_without_a_place_for_the_record_the_run_goes_on_and_the_alert_goes_out(
    tmp_path, told, capfd
):
    """As on a full disk: no file can be made where records lie."""
    folder = nights.reports(tmp_path, "p")
    folder.parent.mkdir(parents=True)
    folder.write_text("", "utf-8")
    with pytest.raises(UserError), NightHook().recording(tmp_path, "p"):
        raise UserError("It broke.", where="--params")
    [line] = capfd.readouterr().out.splitlines()
    assert json.loads(line)["reason"] == "It broke (--params)."
    assert [message["run_id"] for message in told()] == [json.loads(line)["run_id"]]


@pytest.mark.parametrize("process", [{}, {"host": "h"}, {"host": "h", "pid": "?"}, []])
def test_a_record_without_a_process_stops_no_night(tmp_path, told, make_nights, process):
    nights.write(tmp_path, replace(dead(make_nights), process=process))
    assert a_night(tmp_path).status == "succeeded"


def test_a_record_with_a_wrong_time_stops_no_night(tmp_path, told, make_nights):
    nights.write(tmp_path, replace(dead(make_nights), process={}, started_at="2026"))
    with NightHook().recording(tmp_path, "p"):
        pass
    assert "succeeded" in {night.status for night in nights.read(tmp_path, "p")}


def test_an_error_is_in_the_record_with_its_place(tmp_path, told):
    with pytest.raises(UserError), NightHook().recording(tmp_path, "p"):
        raise UserError("张三.csv is a folder.", where="data/张三.csv")
    [night] = nights.read(tmp_path, "p")
    assert night.error["where"] == "data/张三.csv"
    assert night.reason == "张三.csv is a folder (data/张三.csv)."
    assert "张三" not in json.dumps(told(), ensure_ascii=False)


STOPPED = """
import signal, sys, time
from pathlib import Path
from wenliu.hooks.night import NightHook
from wenliu.run_command import _leave
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, _leave)
with NightHook().recording(Path(sys.argv[1]), "p"):
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_night_that_is_stopped_says_so_itself(tmp_path, number):
    """Reliability 6: the signals that ``kedro run`` takes."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.stderr.readline() != "ready\n":
        assert process.poll() is None
    process.send_signal(number)
    line, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert json.loads(line)["reason"] == f"The run was stopped by {number.name}."
    assert [night.status for night in nights.read(tmp_path, "p")] == ["killed"]


@pytest.mark.slow
def test_a_dead_night_and_targets_that_hang_cost_less_than_twenty_seconds(
    tmp_path, make_nights, monkeypatch
):
    """Reliability 19: told at the start of the dead one, at the end of this one."""
    nights.write(tmp_path, dead(make_nights))
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setenv("WENLIU_ALERT_WEBHOOK", url)
        monkeypatch.setenv("WENLIU_ALERT_COMMAND", "sleep 100")
        started = time.monotonic()
        with pytest.raises(ValueError, match="it"), NightHook().recording(tmp_path, "p"):
            raise ValueError("it")
        assert time.monotonic() - started < 20


def intake(project, number, *files):
    """An intake of files given as outcome, rows and bad rows."""
    folder = Folders.of(project, "p").records
    folder.mkdir(parents=True, exist_ok=True)
    entries = tuple(
        IntakeFile(f"{i}.csv", "", outcome, rows + bad, bad, "", f"{number}_{i}.csv")
        for i, (outcome, rows, bad) in enumerate(files)
    )
    done = Intake(STAMP.format(number), entries)
    (folder / f"{done.stamp}.json").write_text(json.dumps(asdict(done)), "utf-8")


FILE = st.tuples(
    st.sampled_from(["accepted", "duplicate", "quarantined"]), st.integers(0, 99), st.integers(0, 9)
)
#: Files of a night's intake, and whether it writes its record.
NIGHT = st.tuples(st.lists(FILE, max_size=3), st.booleans())


@settings(max_examples=30, deadline=None)
@given(st.lists(NIGHT, min_size=1, max_size=8))
def test_rows_of_killed_nights_are_counted_once_by_the_next_that_lives(sequence):
    """Over all nights, what was counted is what came in: nothing lost, nothing twice."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        for number, (files, lives) in enumerate([*sequence, ([], True)]):
            night = replace(nights.begin("p"), run_id=f"{number:02d}")
            nights.write(project, night)
            intake(project, number, *files)
            if lives:
                results = NightResults(project, night, None, ()).fields()
                nights.write(project, replace(night, **results))
        counted = [night.rows for night in nights.read(project, "p")]
    came = sum(rows + bad for files, _ in sequence for _, rows, bad in files)
    assert sum(rows.get("rows_in", 0) for rows in counted) == came
    kinds = ("kept", "quarantined", "duplicates")
    assert sum(rows.get(kind, 0) for rows in counted for kind in kinds) == came


def test_a_night_before_which_one_was_killed_tells_of_both_intakes(tmp_path):
    intake(tmp_path, 0, ("accepted", 90, 10), ("waiting", 0, 0))
    intake(tmp_path, 1, ("duplicate", 5, 0), ("quarantined", 0, 7), ("waiting", 0, 0))
    fields = NightResults(tmp_path, nights.begin("p"), None, ()).fields()
    assert fields["rows"] == {"rows_in": 112, "kept": 90, "quarantined": 17, "duplicates": 5}
    assert fields["intake"] == STAMP.format(1)
    outcomes = [file["outcome"] for file in fields["files"]]
    assert outcomes == ["accepted", "duplicate", "quarantined", "waiting"]
