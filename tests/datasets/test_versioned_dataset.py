"""A version is complete or invisible."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from kedro.io import DatasetError, Version

from wenliu.datasets import ArrowTableDataset, VersionedDataset
from wenliu.datasets.commit import MARKER, Lineage, commit, is_complete, read_marker, sha256_of
from wenliu.errors import UserError
from wenliu.parts import Parts

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"


def report(folder: Path, version: str | None = None) -> VersionedDataset:
    return VersionedDataset(str(folder / "report"), "json", Version(None, version))


def test_saved_data_comes_back_with_a_marker_that_says_where_it_is_from(tmp_path):
    dataset = report(tmp_path, OLD)
    dataset.lineage = Lineage("run", "node", {"examples": OLD}, {"code": "c"})
    dataset.save({"字": 1})

    assert report(tmp_path).load() == {"字": 1}
    marker = read_marker(tmp_path / "report" / OLD)
    assert marker["inputs"] == {"examples": OLD}
    assert (marker["run_id"], marker["node"], marker["version"]) == ("run", "node", OLD)
    file = tmp_path / "report" / OLD / "report.json"
    assert marker["files"]["report.json"]["sha256"] == sha256_of(file)
    assert "字" in file.read_text("utf-8")


def test_a_version_without_marker_does_not_exist(tmp_path):
    report(tmp_path, OLD).save({"good": True})
    report(tmp_path, NEW).save({"half": True})
    (tmp_path / "report" / NEW / MARKER).unlink()

    assert report(tmp_path).load() == {"good": True}
    assert report(tmp_path).list_versions(full_path=False) == [OLD]
    pinned = VersionedDataset(str(tmp_path / "report"), "json", Version(NEW, None))
    assert not pinned.exists()
    with pytest.raises(DatasetError, match="not a complete version"):
        pinned.load()


def test_nothing_saved_yet_does_not_exist(tmp_path):
    assert not report(tmp_path).exists()


def test_a_complete_version_is_never_written_twice(tmp_path):
    report(tmp_path, OLD).save({"first": True})
    with pytest.raises(DatasetError):
        report(tmp_path, OLD).save({"second": True})
    assert report(tmp_path).load() == {"first": True}


def test_remains_of_a_killed_save_are_replaced(tmp_path):
    remains = tmp_path / "report" / OLD
    remains.mkdir(parents=True)
    (remains / "report.json").write_text("{")
    report(tmp_path, OLD).save({"whole": True})
    assert report(tmp_path).load() == {"whole": True}


def test_a_truncated_file_is_an_error_that_names_it(tmp_path):
    report(tmp_path, OLD).save({"long": "x" * 100})
    (tmp_path / "report" / OLD / "report.json").write_text("{}")
    with pytest.raises(DatasetError) as error:
        report(tmp_path).load()
    assert isinstance(error.value.__cause__, UserError)
    assert "report.json" in str(error.value.__cause__)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_every_write_that_fails_leaves_the_last_good_version(tmp_path, monkeypatch, call):
    """The k-th fsync or rename fails, for every k until the save goes through."""
    report(tmp_path, OLD).save({"good": True})
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
                report(tmp_path, NEW).save({"new": True})
            except DatasetError:
                loaded = report(tmp_path).load()
                assert loaded == {"good": True} or is_complete(tmp_path / "report" / NEW)
                if loaded == {"new": True}:
                    break
                continue
        break
    assert report(tmp_path).load() == {"new": True}
    assert calls >= 1


WRITER = """
import sys
from pathlib import Path
from wenliu.datasets.commit import Lineage, commit
def write(folder):
    for n in range(40):
        (folder / f"{n}.bin").write_bytes(b"x" * 65536)
print("go", flush=True)
for number in range(10_000):
    commit(Path(sys.argv[1]) / f"v{number:05d}", write, Lineage())
"""


def test_kill_9_leaves_no_partial_version(tmp_path):
    for trial in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / str(trial))], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.037 * trial)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for version in (tmp_path / str(trial)).glob("v*"):
            if is_complete(version):
                for name, file in read_marker(version)["files"].items():
                    assert sha256_of(version / name) == file["sha256"]


def test_tables_keep_their_chunks_as_parts(tmp_path):
    table = pa.concat_tables([pa.table({"text": ["一", "二"]}), pa.table({"text": ["三"]})])
    dataset = VersionedDataset(str(tmp_path / "examples"), "table", Version(None, OLD))
    dataset.save(table)
    folder = tmp_path / "examples" / OLD / "examples"
    assert sorted(p.name for p in folder.iterdir()) == [
        "part-00000.0.parquet",
        "part-00001.0.parquet",
        "parts.json",
    ]
    loaded = VersionedDataset(str(tmp_path / "examples"), "table", Version(None, None)).load()
    assert loaded.table().equals(table)
    assert [batch.num_rows for batch in loaded.batches()] == [2, 1]


def test_what_was_loaded_can_be_saved_without_writing_it_again(tmp_path):
    one, other = (
        VersionedDataset(str(tmp_path / name), "table", Version(None, OLD)) for name in ("a", "b")
    )
    one.save(pa.table({"text": ["一", "二"]}))
    other.save(VersionedDataset(str(tmp_path / "a"), "table", Version(None, None)).load())
    (written,) = (tmp_path / "b" / OLD / "b").glob("*.parquet")
    assert written.samefile(tmp_path / "a" / OLD / "a" / written.name)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_an_empty_table_keeps_its_schema(tmp_path, format):
    table = pa.schema([("text", pa.string()), ("ids", pa.list_(pa.int32()))]).empty_table()
    dataset = ArrowTableDataset(str(tmp_path / "t"), format)
    dataset.save(table)
    assert isinstance(dataset.load(), pa.Table if format == "arrow" else Parts)
    assert dataset.load().schema.names == ["text", "ids"]
    assert dataset.load().num_rows == 0


def test_a_folder_is_copied_and_not_linked(tmp_path):
    source = tmp_path / "weights.bin"
    source.write_bytes(b"w")
    dataset = VersionedDataset(str(tmp_path / "model"), "folder", Version(None, OLD))
    dataset.save({"model.safetensors": source, "sub/config.json": b"{}"})
    folder = VersionedDataset(str(tmp_path / "model"), "folder", Version(None, None)).load()
    assert (folder / "model.safetensors").stat().st_nlink == 1
    assert json.loads((folder / "sub/config.json").read_text()) == {}


def test_commit_refuses_a_complete_folder(tmp_path):
    commit(tmp_path / "v", lambda folder: (folder / "a").touch(), Lineage())
    with pytest.raises(FileExistsError):
        commit(tmp_path / "v", lambda folder: None, Lineage())


def test_the_content_of_a_table_is_its_values_whatever_file_they_lie_in(tmp_path):
    """So that switching the memory of parts on or off makes nothing run again."""
    table = pa.table({"n": [1, 2, 3], "text": ["一", "二", "三"]})
    whole = Parts.of(table)
    apart = Parts.of(table.select(["text"])).beside(Parts.of(table.select(["n"])))
    other = Parts.of(pa.table({"n": [1, 2, 4], "text": ["一", "二", "三"]}))
    borders = Parts.of(pa.concat_tables([table.slice(0, 1), table.slice(1)]))
    contents = []
    for number, parts in enumerate((whole, apart, other, borders)):
        dataset = VersionedDataset(
            str(tmp_path / str(number) / "rows"), "table", Version(None, OLD)
        )
        dataset.save(parts)
        contents.append(dataset.marker()["content"])
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3
