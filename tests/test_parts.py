"""A table as parts: nothing is lost at the seams, and memory does not grow with rows."""

import gc
import itertools
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu import gathering, put_aside
from wenliu.gathering import gather
from wenliu.parts import Parts
from wenliu.put_aside import sweep_forgotten

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), False),
        pa.field("text", pa.string()),
        ("ids", pa.list_(pa.int32())),
    ]
)


def batch(rows: range, characters: int = 3) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "id": list(rows),
            "text": [None if i % 7 == 6 else "字" * (i % characters) for i in rows],
            "ids": [None if i % 5 == 4 else list(range(i % 4)) for i in rows],
        },
        SCHEMA,
    )


@pytest.fixture(autouse=True)
def aside(tmp_path, monkeypatch):
    folder = tmp_path / "aside"
    monkeypatch.setattr(put_aside, "beside_the_versions", lambda: folder)
    return folder


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(gathering, "PART_ROWS", 10)
    monkeypatch.setattr(gathering, "PART_BYTES", 400)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_what_was_gathered_comes_back_in_order(tmp_path, small_parts, format):
    whole = batch(range(57), characters=40)
    cuts = [0, 1, 1, 14, 50, 57]
    batches = [whole.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    parts = gather(batches, SCHEMA, format)
    folder = tmp_path / "table"
    folder.mkdir()
    parts.write(folder, format)
    stored = Parts.open(folder)
    for each in (parts, stored):
        assert each.num_rows == 57
        assert each.schema == SCHEMA
        assert each.table().equals(pa.Table.from_batches([whole]))
        assert [b.num_rows for b in each.batches()] != [57]
        assert all(b.num_rows <= 10 and b.nbytes <= 500 for b in each.batches())
        narrow = list(each.batches(["ids", "id"], max_rows=4))
        assert all(b.num_rows <= 4 and b.schema.names == ["ids", "id"] for b in narrow)
        assert pa.Table.from_batches(narrow)["id"].to_pylist() == list(range(57))
        assert each.column("text").to_pylist() == whole["text"].to_pylist()
        assert each.nulls("id") == 0
        assert each.nulls("text") == whole["text"].null_count
        assert each.nulls("ids") == whole["ids"].null_count


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 35), max_size=8), st.integers(1, 60))
def test_no_row_is_lost_at_any_seam(sizes, characters):
    starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    batches = [batch(range(a, b), characters) for a, b in itertools.pairwise(starts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "PART_ROWS", 10)
        patch.setattr(gathering, "PART_BYTES", 900)
        joined = list(gathering.join(batches, SCHEMA))
    assert [row for b in joined for row in b["id"].to_pylist()] == list(range(starts[-1]))
    assert all(b.num_rows <= 10 for b in joined)
    assert all(b.nbytes <= 900 or b.num_rows == 1 for b in joined)


def test_stored_parts_are_linked_and_the_folder_aside_vanishes(tmp_path, small_parts, aside):
    parts = gather([batch(range(25))], SCHEMA)
    (held,) = aside.iterdir()
    assert len(list(held.iterdir())) == 2  # the last part stays in memory
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    parts.write(one, "parquet")
    parts.write(other, "arrow")
    assert (one / "part-00000.0.parquet").stat().st_nlink == 2
    assert Parts.open(other).table().equals(parts.table())
    del parts
    gc.collect()
    assert not list(aside.iterdir())
    assert Parts.open(one).num_rows == 25


def test_where_no_link_can_be_made_parts_are_copied(tmp_path, small_parts, monkeypatch):
    parts = gather([batch(range(25))], SCHEMA)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "cross-device")))
    parts.write(tmp_path, "parquet")
    assert Parts.open(tmp_path).table().equals(parts.table())


def test_small_tables_stay_in_memory(aside):
    gather([batch(range(50)), batch(range(50, 90))], SCHEMA)
    assert not aside.exists()


def test_what_a_killed_process_left_goes_after_a_day(aside):
    sweep_forgotten()  # without any
    old, young = aside / "old", aside / "young"
    old.mkdir(parents=True), young.mkdir()
    (old / "0.parquet").touch()
    os.utime(old, (0, 0))
    sweep_forgotten()
    assert not old.exists()
    assert young.exists()


def test_a_failing_stage_leaves_nothing_aside(small_parts, aside):
    def failing():
        yield batch(range(25))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        gather(failing(), SCHEMA)
    gc.collect()
    assert not list(aside.iterdir())


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_an_empty_table_keeps_its_schema(tmp_path, format):
    parts = gather([], SCHEMA, format)
    assert (parts.num_rows, parts.table().schema) == (0, SCHEMA)
    parts.write(tmp_path, format)
    assert Parts.open(tmp_path).table().schema == SCHEMA
    assert not list(Parts.open(tmp_path).batches())


def test_a_batch_of_another_schema_is_refused():
    for names in (["id"], ["text", "id", "ids"], ["id", "text", "ids", "more"]):
        with pytest.raises(ValueError, match="among those of"):
            gather([pa.RecordBatch.from_pydict({name: [None] for name in names})], SCHEMA)
    with pytest.raises((pa.ArrowInvalid, KeyError, TypeError, ValueError)):
        gather([pa.RecordBatch.from_pydict({"id": ["a"], "text": ["b"], "ids": [[1]]})], SCHEMA)


def test_a_tables_chunks_are_its_parts():
    table = pa.Table.from_batches([batch(range(3)), batch(range(3, 5))])
    parts = Parts.of(table)
    assert Parts.of(parts) is parts
    assert [b.num_rows for b in parts.batches()] == [3, 2]
    assert parts.table(["text"]).equals(table.select(["text"]))
    assert parts.to_pandas()["id"].tolist() == [0, 1, 2, 3, 4]


MEMORY = """
import sys
from pathlib import Path
import pyarrow as pa
from wenliu import put_aside
from wenliu.gathering import gather
from wenliu.parts import Parts
put_aside.beside_the_versions = lambda: Path(sys.argv[1]) / "aside"
schema = pa.schema([("text", pa.string())])
def batches(parts):
    for part in range(parts):
        yield pa.record_batch([pa.array([f"{part}-{row}-" + "长" * 300 for row in range(20_000)])],
                              schema=schema)
folder = Path(sys.argv[1]) / "table"
folder.mkdir()
gather(batches(int(sys.argv[2])), schema).write(folder, "parquet")
rows = sum(batch.num_rows for batch in Parts.open(folder).batches())
assert rows == 20_000 * int(sys.argv[2])
print(next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_rows(tmp_path):
    peaks = []
    for number in (6, 30):  # 110 and 550 MB of text
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-c", MEMORY, str(folder), str(number)]
        peaks.append(int(subprocess.check_output(command, text=True)))
    assert peaks[1] < peaks[0] + 120, f"MiB at 110 and 550 MB of text: {peaks}"
