"""An intake that dies anywhere is gone on with; nothing is lost and nothing taken twice."""

import errno
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import pytest

from wenliu.inbox import parse_stored

from .conftest import Inbox, table

#: Imports once, then starts a process for every line it reads.
NURSERY = """
import os, sys
from pathlib import Path
import numpy, pyarrow.compute, pyarrow.parquet, openpyxl, tqdm
import wenliu.pipelines.ingestion.judging, wenliu.pipelines.ingestion.opening
import wenliu.pipelines.ingestion.checks, wenliu.intake.taking
wenliu.intake.taking.MOST_DEATHS = int(sys.argv[2])
from wenliu.intake import take_in
from wenliu.params import IngestionParams
project = Path(sys.argv[1])
params = IngestionParams(inbox_settle=0)
for _ in sys.stdin:
    if not (pid := os.fork()):
        take_in(project, "p", params, ["物流", "退款"], [project / "data/01_raw/p/first.csv"])
        os._exit(0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


def content(inbox):
    """Bytes of every file that was dropped, wherever it is now."""
    files = [path for path in inbox.folders.root.rglob("*") if path.suffix == ".csv"]
    return Counter(path.read_bytes() for path in files if path != inbox.first)


def test_killed_at_random_points_no_row_is_lost_or_taken_twice(inbox):
    """Reliability 11: real processes, real kill -9, then one intake that is left alone."""
    dropped = [table(20 + n, 100 * n) for n in range(4)]
    dropped += ['text,label\n"没关,物流\n', "text,label\n", table(20), dropped[1]]
    for number, text in enumerate(dropped):
        inbox.drop(f"{number}.csv", text)
    before = content(inbox)
    chance = random.Random(7)
    killed = 0
    command = [sys.executable, "-c", NURSERY, str(inbox.project), "1000"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        for _ in range(30):
            print(file=nursery.stdin, flush=True)
            pid = int(nursery.stdout.readline())
            time.sleep(chance.random() * 0.04)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed += int(nursery.stdout.readline()) != 0
            after = content(inbox)
            assert set(after) == set(before), "a file is gone that is nowhere else"
        nursery.stdin.close()
    assert killed >= 5
    inbox.take()
    assert not list(inbox.folders.inbox.rglob("*.csv"))
    accepted = [path.read_text("utf-8") for path in inbox.raw()[1:]]
    assert sorted(accepted) == sorted(dropped[:4])
    quarantined = [p for p in inbox.folders.quarantine.iterdir() if parse_stored(p.name)]
    assert len(quarantined) == 4  # two files, two reports
    for path in inbox.folders.root.rglob(".*"):
        assert path.is_dir(), path


def records(inbox):
    """What all intakes noted."""
    paths = inbox.folders.records.glob("*.json")
    return [file for path in paths for file in json.loads(path.read_text("utf-8"))["files"]]


STEPS = ["rename", "unlink", "replace", "chmod", "fsync"]


def test_stopped_between_any_two_steps(tmp_path, monkeypatch):
    """Reliability 2: the k-th change on disk fails, for every k; the next intake goes on."""
    for step in range(1, 100):
        inbox = Inbox(tmp_path / str(step))
        inbox.drop("a.csv", table(30, 100))
        inbox.drop("b.csv", table(30, 100))
        inbox.drop("c.csv", 'text,label\n"没关,物流\n')
        inbox.drop("d.csv", table(31, 200))
        with monkeypatch.context() as patch, suppress(OSError):
            fail_at(step, patch)
            inbox.take()
            break
        assert len(content(inbox)) == 3
        inbox.take()
        # Each file stands in one record: of the intake that failed at its very end, or of the next.
        outcomes = Counter(file["outcome"] for file in records(inbox))
        assert outcomes == Counter(accepted=2, duplicate=1, quarantined=1), step
        assert len(inbox.raw()) == 3
        assert not list(inbox.folders.inbox.rglob("*.csv"))
        stamps = {parse_stored(path.name)[0] for path in inbox.raw()[1:]}
        assert len(stamps) == 1, "files of one intake are the newest data together"
    assert 30 < step < 99


def fail_at(step, patch):
    """Makes the ``step``-th of all changes on disk fail."""
    count = itertools.count(1)

    def failing(real):
        def call(*arguments, **options):
            if next(count) == step:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **options)

        return call

    for name in STEPS:
        patch.setattr(os, name, failing(getattr(os, name)))


def test_a_machine_that_fails_puts_nothing_into_quarantine(inbox, monkeypatch):
    inbox.drop("a.csv", table(30, 100))

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("wenliu.readers.files.iter_rows", fail)
        with pytest.raises(OSError, match="Input/output"):
            inbox.take()
    assert inbox.outcomes() == {"a.csv": "accepted"}


def test_a_file_that_no_reader_expected_is_put_aside(inbox, monkeypatch):
    inbox.drop("a.csv", table(30, 100))

    def fail(*_):
        raise RecursionError

    monkeypatch.setattr("wenliu.readers.files.iter_rows", fail)
    [file] = inbox.take().files
    assert (file.outcome, file.rows) == ("quarantined", 30)
    assert "RecursionError" in file.reason


def killed_while_reading(inbox):
    """An intake in a process of its own that is killed while it reads ``deadly.csv``."""
    program = (
        "import os, signal, wenliu.intake.taking as taking\n"
        "real = taking.judge_file\n"
        "def judge(path, *rest):\n"
        "    if path.name == 'deadly.csv':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(path, *rest)\n"
        "taking.judge_file = judge\n"
    )
    program += NURSERY.split("for _ in sys.stdin")[0] + (
        "take_in(project, 'p', params, ['物流', '退款'], [project / 'data/01_raw/p/first.csv'])\n"
    )
    command = [sys.executable, "-c", program, str(inbox.project), "3"]
    return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode


def test_a_file_that_kills_whoever_reads_it_is_put_aside(inbox):
    """Reliability 22: after three deaths it goes to quarantine unread, and the others go on."""
    inbox.drop("deadly.csv", table(30, 100))
    inbox.drop("good.csv", table(30, 200))
    for _ in range(3):
        assert killed_while_reading(inbox) == -signal.SIGKILL
    assert killed_while_reading(inbox) == 0
    [path] = inbox.raw()[1:]
    assert path.name.endswith("_good.csv")
    outcomes = {file["name"]: file for file in records(inbox)}
    assert outcomes["deadly.csv"]["outcome"] == "quarantined"
    assert "ended the process 3 times" in outcomes["deadly.csv"]["reason"]


def test_a_file_is_not_blamed_for_what_the_process_survived(inbox, monkeypatch):
    """A disk that is full for a week of nights, or an operator's Ctrl-C."""
    inbox.drop("a.csv", table(30, 100))

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("wenliu.intake.taking.judge_file", fail)
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                inbox.take()
    assert inbox.outcomes() == {"a.csv": "accepted"}


def test_what_others_have_put_beside_the_files_stays(inbox):
    inbox.take()
    folders = inbox.folders
    for folder in (folders.accepted, folders.quarantine, folders.records, folders.claimed):
        (folder / ".gitkeep").touch()
        (folder / ".snapshots").mkdir()
        (folder / ".moving.4711").touch()
    (folders.quarantine / "mine.report.json").touch()
    (folders.records / ".20260101T000000Z.json.4711").touch()
    (folders.claimed / "..journal.4711").touch()
    inbox.drop("a.csv", table(30, 100))
    assert inbox.outcomes() == {"a.csv": "accepted"}
    hidden = sorted(path.name for path in folders.root.rglob(".*") if path != folders.claimed)
    assert hidden == [".gitkeep"] * 4 + [".snapshots"] * 4
    assert (folders.quarantine / "mine.report.json").is_file()
