"""Columns of a part may lie in several files: wide ones stay where they are, narrow ones change."""

import itertools
import os
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu import column_files, gathering
from wenliu.column_files import HeldColumns, column_digest
from wenliu.datasets.commit import Lineage, commit, read_marker
from wenliu.disk import sha256_of
from wenliu.errors import UserError
from wenliu.gathering import collect, gather_each
from wenliu.part import Part
from wenliu.parts import Parts

WIDE = pa.schema([pa.field("id", pa.int64(), False), ("text", pa.string()), ("split", pa.string())])


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(gathering, "PART_ROWS", 10)
    monkeypatch.setattr("wenliu.put_aside.beside_the_versions", lambda: tmp_path / "aside")


def batch(rows: range) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"id": list(rows), "text": ["字" * (i % 9) for i in rows], "split": [None for _ in rows]},
        WIDE,
    )


def stored(parts, folder, format="parquet"):
    folder.mkdir()
    return parts.write(folder, format)


def marks(rows, word="train"):
    return pa.table({"split": [word] * rows, "kept": [i % 2 == 0 for i in range(rows)]})


def test_no_part_holds_rows_of_two_sources(tmp_path):
    ranges = [range(12), range(12, 12), range(12, 15), range(15, 40)]
    parts = gather_each(([batch(rows)] for rows in ranges), WIDE)
    assert parts.part_rows == [10, 2, 3, 10, 10, 5]
    assert parts.column("id").to_pylist() == list(range(40))
    stored(parts, tmp_path / "t")
    assert Parts.open(tmp_path / "t").part_rows == parts.part_rows


def test_every_part_stays_one(tmp_path):
    given = [Part.of(batch(range(n, n + 4))) for n in range(0, 40, 4)]
    parts = collect(given, WIDE)
    assert parts.part_rows == [4] * 10
    assert parts.column("id").to_pylist() == list(range(40))
    assert sum(part.held_bytes > 0 for part in parts.parts) <= 2  # the others are in files


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_new_narrow_column_leaves_the_wide_files_as_they_are(tmp_path, format):
    first = stored(gather_each([[batch(range(25))]], WIDE), tmp_path / "first", format)
    whole = first.without(["split", "no such"]).beside(first.cut_alike(marks(25)))
    second = stored(whole, tmp_path / "second", format)
    for number in range(3):
        old = tmp_path / "first" / f"part-{number:05d}.0.{format}"
        assert old.samefile(tmp_path / "second" / old.name)
    for table in (second, Parts.open(tmp_path / "second")):
        assert table.schema.names == ["id", "text", "split", "kept"]
        assert table.table().to_pydict() == {
            "id": list(range(25)),
            "text": batch(range(25))["text"].to_pylist(),
            **marks(25).to_pydict(),
        }
        narrow = list(table.batches(["kept", "id"], max_rows=4))
        assert [b.num_rows for b in narrow] == [4, 4, 2, 4, 4, 2, 4, 1]
        assert narrow[0].schema.names == ["kept", "id"]
        assert table.select(["split", "id"]).table().column_names == ["split", "id"]
        assert [each.num_rows for each in table.each()] == [10, 10, 5]


def test_a_changed_mark_writes_its_own_part_and_nothing_else(tmp_path):
    first = stored(gather_each([[batch(range(25))]], WIDE), tmp_path / "first")
    before = first.cut_alike(marks(25)).digests()
    other = marks(25).set_column(0, "split", [["train"] * 15 + ["test"] + ["train"] * 9])
    after = first.cut_alike(other).digests()
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_tables_of_other_borders_or_with_the_same_column_do_not_go_together():
    parts = gather_each([[batch(range(25))]], WIDE)
    other = gather_each([[batch(range(15))], [batch(range(15, 25))]], WIDE)
    with pytest.raises(ValueError, match="Parts of"):
        parts.select(["id"]).beside(other.select(["text"]))
    with pytest.raises(ValueError, match="split"):
        parts.beside(parts.select(["split"]))


def test_a_file_changed_since_it_was_written_is_not_linked(tmp_path):
    first = stored(Parts.of(pa.Table.from_batches([batch(range(5))])), tmp_path / "first")
    time.sleep(0.02)
    path = tmp_path / "first" / "part-00000.0.parquet"
    content = path.read_bytes()
    path.write_bytes(content)  # written again, the same
    stored(first, tmp_path / "same")
    path.write_bytes(content[:10] + bytes([content[10] ^ 1]) + content[11:])
    with pytest.raises(UserError, match="changed after"):
        stored(first, tmp_path / "second")


def test_a_folder_without_a_list_is_said_to_be_old(tmp_path):
    with pytest.raises(UserError, match="earlier version"):
        Parts.open(tmp_path)


def test_linked_files_are_not_read_again_when_a_version_is_made(tmp_path, monkeypatch):
    first = stored(gather_each([[batch(range(25))]], WIDE), tmp_path / "first")
    read = []
    for module in ("wenliu.datasets.commit", "wenliu.column_files"):
        monkeypatch.setattr(f"{module}.sha256_of", lambda path: read.append(path.name) or "0")
    version = tmp_path / "version"
    commit(version, lambda folder: stored(first, folder / "table") and None, Lineage())
    assert read == ["parts.json"]
    monkeypatch.undo()
    for name, file in read_marker(version)["files"].items():
        if name != "table/parts.json":
            assert file["sha256"] == sha256_of(version / name)


def test_a_linked_file_changed_since_is_read_again(tmp_path):
    """What stands in the list of parts is believed as long as the file is older than the list."""
    version = tmp_path / "version"

    def write(folder):
        stored(Parts.of(pa.Table.from_batches([batch(range(5))])), folder / "table")
        time.sleep(0.02)
        path = folder / "table" / "part-00000.0.parquet"
        path.write_bytes(path.read_bytes()[::-1])

    commit(version, write, Lineage())
    name = "table/part-00000.0.parquet"
    assert read_marker(version)["files"][name]["sha256"] == sha256_of(version / name)


COLUMNS = st.one_of(
    st.lists(st.none() | st.text(max_size=4)).map(lambda v: pa.array(v, pa.string())),
    st.lists(st.none() | st.integers(-9, 9)).map(lambda v: pa.array(v, pa.int32())),
    st.lists(st.none() | st.booleans()).map(lambda v: pa.array(v, pa.bool_())),
    st.lists(st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3)).map(
        lambda v: pa.array(v, pa.list_(pa.int32()))
    ),
    st.lists(st.none() | st.lists(st.text(max_size=2), max_size=3)).map(
        lambda v: pa.array(v, pa.list_(pa.string()))
    ),
)


@settings(max_examples=150, deadline=None)
@given(COLUMNS, COLUMNS, st.data())
def test_digests_are_equal_where_the_values_are(one, other, data):
    start = data.draw(st.integers(0, len(one)))
    end = data.draw(st.integers(start, len(one)))
    cut = one.slice(start, end - start)
    anew = pa.array(cut.to_pylist(), one.type)
    middle = data.draw(st.integers(0, len(cut)))
    joined = pa.concat_arrays([cut.slice(0, middle), cut.slice(middle)])
    assert column_digest(cut) == column_digest(anew) == column_digest(joined)
    same = one.type == other.type and one.to_pylist() == other.to_pylist()
    assert (column_digest(one) == column_digest(other)) == same


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_digest_survives_the_file(tmp_path, format):
    columns = {
        "text": pa.array(["字", None, ""] * 5),
        "edits": pa.array([[1, 2], None, []] * 5, pa.list_(pa.int32())),
        "mark": pa.array([None, "leak", None] * 5),
    }
    held = HeldColumns(pa.record_batch(columns).slice(2, 9))
    stored = held.write(tmp_path / f"a.{format}", list(columns))
    (back,) = stored.batches(list(columns), 100)
    for name in columns:
        assert column_digest(back[name]) == stored.digest(name) == held.digest(name)


def test_where_no_link_can_be_made_the_copy_is_trusted_too(tmp_path, monkeypatch):
    first = stored(gather_each([[batch(range(25))]], WIDE), tmp_path / "first")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "cross-device")))
    second = stored(first, tmp_path / "second")
    monkeypatch.setattr(column_files, "sha256_of", lambda path: pytest.fail("read again"))
    assert second.is_undamaged and Parts.open(tmp_path / "second").is_undamaged
    assert list(itertools.chain(*second.digests())) == list(itertools.chain(*first.digests()))
