"""What is remembered is used if and only if it would be made the same again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import BaseModel

from wenliu import memo
from wenliu.disk import sha256_of
from wenliu.gathering import gather
from wenliu.parallel import ColumnFunction
from wenliu.parts import Parts
from wenliu.project import find_project

SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string())])


@dataclass(frozen=True)
class Work(ColumnFunction):
    """Has settings, one of which does not count, and reads a file."""

    setting: int = 1
    by_part: Any = field(default=None, metadata={"memo": False})
    file: str = ""

    @property
    def named_files(self):
        return [Path(self.file)] if self.file else []

    def __call__(self, batch):
        return batch


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    folder = tmp_path / "memo"
    monkeypatch.setenv("WENLIU_MEMO", "on")
    monkeypatch.setattr(memo, "_place", lambda: folder)
    monkeypatch.setattr("wenliu.put_aside.beside_the_versions", lambda: tmp_path / "aside")
    return folder


def table(rows=5):
    batch = pa.record_batch({"n": list(range(rows)), "text": ["字"] * rows}, SCHEMA)
    return gather([batch], SCHEMA)


def test_what_was_kept_comes_back():
    kept = memo.keep("f", "k", table(), [{"字": 1}])
    found = memo.recall("f", "k")
    assert found.counts == kept.counts == [{"字": 1}]
    assert found.parts.table().equals(table().table())
    assert found.parts.digests() == table().digests()
    assert memo.recall("f", "other") is None and memo.recall("g", "k") is None


def test_versions_link_what_is_kept(tmp_path):
    memo.keep("f", "k", table())
    (tmp_path / "version").mkdir()
    memo.recall("f", "k").parts.write(tmp_path / "version", "parquet")
    (file,) = (tmp_path / "version").glob("*.parquet")
    assert file.stat().st_nlink == 2


def test_the_identity_is_that_of_code_settings_and_files(tmp_path, monkeypatch):
    first = memo.identity(Work())
    assert memo.identity(Work()) == memo.identity(Work(by_part="other")) == first
    assert memo.identity(Work(setting=2)) != first
    words = tmp_path / "words.txt"
    words.write_text("一")
    before = memo.identity(Work(file=str(words)))
    words.write_text("二")
    assert memo.identity(Work(file=str(words))) != before
    monkeypatch.setattr(memo, "code_of", lambda called: {"wenliu.text": "another"})
    assert memo.identity(Work()) != first


def test_functions_have_identities_too():
    assert memo.identity(sha256_of) == memo.identity(sha256_of)
    assert memo.identity(sha256_of) != memo.identity(gather)


class Settings(BaseModel):
    """A model with another inside, as parameters have."""

    words: list[str] = []
    inner: dict[str, int] = {}


class Side(Enum):
    """A few names."""

    TRAIN = "train"
    TEST = "test"


DIFFERENT = [
    None, True, 1, 1.5, "1", b"1", PurePosixPath("1"), ["1"], ["1", "1"], {"1": 1}, {"1": "1"},
    Side.TRAIN, Side.TEST, "train", Work(), Work(setting=2), Settings(), Settings(words=["1"]),
    Settings(inner={"1": 1}),
]  # fmt: skip


def test_values_have_one_key_if_and_only_if_they_are_equal():
    keys = [memo.key_of(value) for value in DIFFERENT]
    assert len(set(keys)) == len(keys)
    assert keys == [memo.key_of(value) for value in DIFFERENT]
    assert memo.key_of({"a": 1, "b": 2}) == memo.key_of({"b": 2, "a": 1})


@pytest.mark.parametrize(
    "value",
    [
        np.arange(5000), np.int64(1), {"a", "b"}, frozenset("ab"), object(), {1: "a"}, {"a": {2}},
        [[{3}]], Work(by_part={4}), Settings.model_construct(words={"a"}), Work, len,
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_has_no_key(value):
    """Two long arrays that differ in the middle look alike as texts; a set has no order."""
    with pytest.raises(TypeError, match="No key"):
        memo.key_of(value)


def test_the_project_is_looked_for_once(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("WENLIU_MEMO", "on")
    (tmp_path / "pyproject.toml").write_text('package_name = "wenliu"')
    monkeypatch.chdir(tmp_path)
    looked = []

    def looking():
        looked.append(Path.cwd())
        return find_project()

    monkeypatch.setattr(memo, "find_project", looking)
    for number in range(5):
        assert memo.recall("f", str(number)) is None
    assert looked == [tmp_path]
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('package_name = "wenliu"')
    monkeypatch.chdir(other)
    memo.keep("f", "k", Parts(pa.schema([]), []))
    assert (other / "data" / ".memo" / "f" / "k").is_dir()


def damaged_data(entry):
    path = entry / "part-00000.0.parquet"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a byte of the data": damaged_data,
    "truncated data": lambda e: os.truncate(e / "part-00000.0.parquet", 100),
    "no data": lambda e: (e / "part-00000.0.parquet").unlink(),
    "a digit of the counts": lambda e: (e / "counts.json").write_text(
        (e / "counts.json").read_text().replace("7", "8")
    ),
    "no counts": lambda e: (e / "counts.json").unlink(),
    "truncated list": lambda e: os.truncate(e / "parts.json", 50),
    "no list": lambda e: (e / "parts.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_never_used_and_is_replaced(place, damage):
    """Reliability 1: nothing partial or damaged is ever loaded."""
    memo.keep("f", "k", table(), {"rows": 77})
    time.sleep(0.02)  # a file written within the same tick of the clock looks untouched
    DAMAGE[damage](place / "f" / "k")
    assert memo.recall("f", "k") is None
    memo.keep("f", "k", table(), {"rows": 77})
    found = memo.recall("f", "k")
    assert found.counts == {"rows": 77} and found.parts.table().equals(table().table())
    assert [path.name for path in (place / "f").iterdir()] == ["k"]


def test_what_another_process_kept_meanwhile_is_as_good(place):
    first = memo.keep("f", "k", table(), 1)
    second = memo.keep("f", "k", table(), 1)
    assert second.parts.table().equals(first.parts.table())
    assert [path.name for path in (place / "f").iterdir()] == ["k"]


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_every_write_that_fails_leaves_a_whole_entry_or_none(place, monkeypatch, call):
    """Reliability 2: the k-th fsync or rename fails, for every k until it goes through."""
    real = {"fsync": os.fsync, "rename": Path.rename}[call]
    for k in range(1, 20):
        calls = 0

        def failing(*arguments, k=k):
            nonlocal calls
            calls += 1
            if calls == k:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os if call == "fsync" else Path, call, failing)
            try:
                memo.keep("f", str(k), table(), k)
            except OSError:
                assert memo.recall("f", str(k)) is None
                assert not list((place / "f").glob(".*"))
                continue
        break
    assert memo.recall("f", str(k)).counts == k


WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from wenliu import memo
from wenliu.parts import Parts
memo._place = lambda: Path(sys.argv[1])
parts = Parts.of(pa.table({"text": [str(n) * 50 for n in range(2000)]}))
print("go", flush=True)
for number in range(10_000):
    memo.keep("f", str(number), parts, {"number": number})
"""


def test_kill_9_leaves_no_partial_entry(place):
    """Reliability 1: killed at several points, an entry is whole or not there."""
    whole = 0
    for trial in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, place],
            stdout=subprocess.PIPE,
            env={**os.environ, "WENLIU_MEMO": "on"},
        )
        process.stdout.readline()
        time.sleep(0.02 + 0.031 * trial)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for entry in (place / "f").glob("[0-9]*"):
            kept = memo.recall("f", entry.name)
            assert kept.counts == {"number": int(entry.name)}
            assert kept.parts.table().num_rows == 2000
            whole += 1
    assert whole


def at(days, monkeypatch):
    when = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=days)
    monkeypatch.setattr("wenliu.clock.now", lambda: when)


def test_what_nobody_used_for_two_weeks_goes(place, monkeypatch):
    """Reliability 12: the disk stays bounded however many nights there are."""
    memo.sweep()  # without any
    at(0, monkeypatch)
    memo.keep("f", "used", table())
    memo.keep("f", "left", table())
    memo.keep("g", "left", table())
    (place / "f" / ".killed.123").mkdir()
    os.utime(place / "f" / ".killed.123", (0, 0))
    at(10, monkeypatch)
    memo.recall("f", "used")
    memo.sweep()
    assert sorted(path.name for path in (place / "f").iterdir()) == ["left", "used"]
    at(20, monkeypatch)
    memo.sweep()
    assert [path.name for path in (place / "f").iterdir()] == ["used"]
    assert not (place / "g").exists()


def test_switched_off_nothing_is_kept_or_found(place, monkeypatch):
    memo.keep("f", "k", table())
    monkeypatch.setenv("WENLIU_MEMO", "off")
    assert memo.recall("f", "k") is None
    parts = table()
    assert memo.keep("f", "other", parts, {"a": 1}).parts is parts
    assert not (place / "f" / "other").exists()


def test_counts_without_columns_can_be_kept():
    kept = memo.keep("f", "k", Parts(pa.schema([]), []), {"rows": 3})
    assert (kept.counts, kept.parts.num_rows) == ({"rows": 3}, 0)
    assert json.loads(json.dumps(memo.recall("f", "k").counts)) == {"rows": 3}
