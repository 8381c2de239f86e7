"""Telling people about a night, with real servers and real programs."""

import json
import shlex
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wenliu import alerts, night_facts
from wenliu.errors import UserError

TEXT = "快递三天了还没到"
#: A program that appends its standard input to a file.
KEEPS = "import sys; open(sys.argv[1], 'a', encoding='utf-8').write(sys.stdin.read() + '\\n')"


@pytest.fixture
def failed(make_nights):
    [night] = make_nights(1)
    return replace(
        night, status="failed", outcome="failed", reason="A file has an unknown label.",
        files=[{"name": f"{TEXT}.csv", "outcome": "quarantined", "rows": 3, "bad_rows": 3}],
    )  # fmt: skip


@contextmanager
def webhook(status=200):
    """An address and the bodies that were posted there."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/T0/SECRET", posted
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def hanging(drip):
    """An address that takes connections and never finishes an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve():
            with server.accept()[0] as connection:
                while not done.wait(0.2):
                    if drip:  # each byte starts a socket's timeout anew
                        connection.sendall(b"H")

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/SECRET"
        finally:
            done.set()
            for thread in threading.enumerate():  # its last warning belongs to this test
                if thread.name == "alert webhook":
                    thread.join(5)


def command(*words):
    return shlex.join([sys.executable, "-c", *words])


def test_webhook_and_command_get_the_same_message(failed, monkeypatch, tmp_path):
    with webhook() as (url, posted):
        monkeypatch.setenv("WENLIU_ALERT_WEBHOOK", url)
        monkeypatch.setenv("WENLIU_ALERT_COMMAND", command(KEEPS, str(tmp_path / "多 字.jsonl")))
        alerts.tell([failed])
    [line] = (tmp_path / "多 字.jsonl").read_text("utf-8").splitlines()
    assert posted == [json.loads(line)] == [alerts.message(failed)]
    assert posted[0]["text"].startswith("酒店评论: failed. A file has an unknown label.")


@pytest.mark.parametrize(
    ("found", "where"),
    [
        ("The pattern '投诉*' fits none of the files 张三投诉.csv, b.csv.", "ingestion.splits"),
        ("张三投诉.csv is a folder.", "/home/张三/data/张三投诉.csv"),
        ("张三投诉.csv is a folder.", "/srv/conf/base/张三投诉.csv"),
        ("张三投诉.csv is a folder.", "conf/base/catalog/01_raw.yml, which reads 张三投诉.csv"),
        ("张三投诉.csv is a folder.", None),
        ("张三投诉.csv is a folder.", ""),
        ("The label 张三投诉 is unknown.", "张三投诉.csv, row 3; --params on the command line"),
    ],
)
def test_an_error_about_data_is_told_without_naming_any(failed, found, where):
    error = night_facts.short_error(UserError(found, where=where))
    night = replace(failed, reason=night_facts.reason_of(error), error=error)
    assert "张三" in night.reason  # on this machine it is all there
    told = json.dumps(alerts.message(night), ensure_ascii=False)
    assert "张三" not in told and "b.csv" not in told
    assert alerts.message(night)["reason"] == night_facts.UNTOLD


def test_no_name_of_a_file_is_told(failed):
    message = alerts.message(failed)
    assert TEXT not in json.dumps(message, ensure_ascii=False)
    assert message["files"] == {"quarantined": 1}


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ("always", {"promoted", "refused", "unchanged", "failed", "killed"}),
        (None, {"refused", "failed", "killed"}),
        ("failures", {"failed", "killed"}),
        ("sometimes", {"refused", "failed", "killed"}),
    ],
)
def test_which_nights_are_told(failed, monkeypatch, on, told):
    monkeypatch.delenv("WENLIU_ALERT_ON", raising=False)
    if on:
        monkeypatch.setenv("WENLIU_ALERT_ON", on)
    every = ["promoted", "refused", "unchanged", "failed", "killed"]
    with webhook() as (url, posted):
        monkeypatch.setenv("WENLIU_ALERT_WEBHOOK", url)
        alerts.tell([replace(failed, outcome=outcome) for outcome in every])
    assert {message["outcome"] for message in posted} == told


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte at a time"])
def test_targets_that_hang_cost_no_more_than_the_deadline(
    failed, monkeypatch, caplog, tmp_path, drip
):
    """Reliability 19: both targets hang; the caller goes on in time and leaves nothing behind."""
    sleeps = (
        "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); "
        "open(sys.argv[1], 'w').write(str(child.pid)); child.wait()"
    )
    with hanging(drip) as url:
        monkeypatch.setenv("WENLIU_ALERT_WEBHOOK", url)
        monkeypatch.setenv("WENLIU_ALERT_COMMAND", command(sleeps, str(tmp_path / "pid")))
        started = time.monotonic()
        alerts.tell([failed], deadline=3)
        assert time.monotonic() - started < 4.5
    assert "webhook" in caplog.text and "command took too long" in caplog.text
    pid = (tmp_path / "pid").read_text()
    while is_running(pid) and time.monotonic() < started + 10:
        time.sleep(0.05)  # a signal takes its time
    assert not is_running(pid)


def is_running(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    "variables",
    [
        {"WENLIU_ALERT_WEBHOOK": "http://127.0.0.1:9/SECRET"},
        {"WENLIU_ALERT_WEBHOOK": "http://no-such-host.invalid/SECRET"},
        {"WENLIU_ALERT_WEBHOOK": "file:///etc/passwd?SECRET"},
        {"WENLIU_ALERT_WEBHOOK": "SECRET"},
        {"WENLIU_ALERT_COMMAND": "/no/such/program"},
        {"WENLIU_ALERT_COMMAND": "an 'open quote"},
        {"WENLIU_ALERT_COMMAND": "false"},
        {"WENLIU_ALERT_COMMAND": "''"},
    ],
)
def test_a_target_that_is_down_is_a_warning_without_the_address(
    failed, monkeypatch, caplog, variables
):
    """Reliability 19: nothing is raised, and the webhook's secret is told to nobody."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    alerts.tell([failed])
    assert len(caplog.records) == 1
    assert "SECRET" not in caplog.text


def test_a_webhook_that_refuses_is_a_warning_with_its_code(failed, monkeypatch, caplog):
    with webhook(status=403) as (url, _):
        monkeypatch.setenv("WENLIU_ALERT_WEBHOOK", url)
        alerts.tell([failed])
    assert "403" in caplog.text and "SECRET" not in caplog.text


def test_a_blank_command_is_none(failed, monkeypatch, caplog):
    monkeypatch.setenv("WENLIU_ALERT_COMMAND", "  ")
    alerts.tell([failed])
    assert not caplog.records


def test_a_command_is_not_given_to_a_shell(failed, monkeypatch, tmp_path):
    touched = tmp_path / "touched"
    monkeypatch.setenv("WENLIU_ALERT_COMMAND", f"{command('pass')}; touch {touched}")
    alerts.tell([failed])
    assert not touched.exists()
