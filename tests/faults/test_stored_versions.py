"""Whatever happens while a version is written, readers see whole ones only."""

from __future__ import annotations

import errno
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from failing_disk import failing_disk
from kedro.io import DatasetError, Version

from wenliu.datasets import VersionedDataset

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"
KINDS = ("table", "arrow", "json", "html", "folder")


def content(kind: str, seed: int) -> Any:
    """Something of a kind that differs with the seed, and fills more than one block."""
    numbers = np.random.default_rng(seed).integers(0, 1000, 20_000)
    if kind in ("table", "arrow"):
        return pa.table({"seed": pa.array([seed] * len(numbers)), "n": pa.array(numbers)})
    if kind == "folder":
        return {"model.onnx": numbers.tobytes(), "manifest.json": str(seed).encode()}
    return {"seed": seed, "n": numbers.tolist()} if kind == "json" else f"<p>{seed}</p>" * 10_000


def as_saved(kind: str, loaded: Any) -> Any:
    if kind == "table":
        return loaded.table()
    if kind == "folder":
        return {path.name: path.read_bytes() for path in sorted(loaded.iterdir())}
    return loaded


def dataset(folder: Path, kind: str, version: str | None = None) -> VersionedDataset:
    return VersionedDataset(str(folder / kind), kind, Version(None, version))


def same(kind: str, folder: Path, seed: int) -> bool:
    loaded, saved = as_saved(kind, dataset(folder, kind).load()), content(kind, seed)
    return loaded == (dict(sorted(saved.items())) if kind == "folder" else saved)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_whichever_operation_fails_the_last_good_version_stays(tmp_path, monkeypatch, kind, code):
    """Reliability 2: the k-th write, fsync or rename fails, for every k."""
    dataset(tmp_path, kind, OLD).save(content(kind, 1))
    with failing_disk(tmp_path, None, monkeypatch) as disk:
        dataset(tmp_path, kind, "2025-01-01T00.00.00.000Z").save(content(kind, 0))
    assert disk.count >= 8
    for k in range(1, disk.count + 1):
        raised = False
        with failing_disk(tmp_path, k, monkeypatch, code) as disk:
            try:
                dataset(tmp_path, kind, NEW).save(content(kind, 2))
            except (DatasetError, OSError):
                raised = True
        # A folder that is there already is as good as one that was made; and when the entry of
        # the marker cannot be flushed, the save has failed, but what stands there is whole.
        whole = disk.failed == "mkdir" if not raised else disk.failed == "fsync"
        if whole and same(kind, tmp_path, 2):
            shutil.rmtree(tmp_path / kind / NEW)
            continue
        assert raised, (k, disk.failed)
        assert same(kind, tmp_path, 1), (k, disk.failed)
        left = [path.name for path in (tmp_path / kind).iterdir() if path.name.startswith(".")]
        assert not left, (k, disk.failed, left)
    dataset(tmp_path, kind, NEW).save(content(kind, 2))
    assert same(kind, tmp_path, 2)


def _save_within(folder: str, kind: str, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        dataset(Path(folder), kind, NEW).save(content(kind, 2))
    except (DatasetError, OSError):
        return
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    raise AssertionError(f"{limit} bytes were enough")


@pytest.mark.parametrize("kind", ["table", "arrow"])
def test_what_arrow_writes_may_fail_at_any_byte(tmp_path, kind):
    """Reliability 2: C++ writes too; the kernel refuses to let a file grow."""
    dataset(tmp_path, kind, OLD).save(content(kind, 1))
    file = max((tmp_path / kind).rglob("part-*"), key=lambda path: path.stat().st_size)
    size = file.stat().st_size
    for limit in [0, 1, 100, *np.linspace(200, size - 1, 15, dtype=int).tolist()]:
        _save_within(str(tmp_path), kind, limit)
        assert same(kind, tmp_path, 1)


_WRITER = """
import sys; sys.path[:0] = [{here!r}]
from pathlib import Path
from test_stored_versions import KINDS, content, dataset
seed = int(sys.argv[2]) * 1000
print("ready", flush=True)
while True:
    seed += 1
    version = f"2026-01-02T00.00.{{seed:08d}}Z"
    for kind in KINDS:
        dataset(Path(sys.argv[1]), kind, version).save(content(kind, seed))
"""


def test_kill_9_at_a_hundred_moments_leaves_no_partial_version(tmp_path):
    """Reliability 1: save and export; 0 loads of partial data."""
    script = tmp_path / "writer.py"
    script.write_text(_WRITER.format(here=str(Path(__file__).parent)))
    moments = np.random.default_rng(0).uniform(0.0, 0.25, 100)
    seen = 0
    # A killed writer costs a second to start anew: five moments a process, by stopping it.
    for number, chunk in enumerate(moments.reshape(20, 5), 1):
        command = [sys.executable, str(script), str(tmp_path / "data"), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        for moment in chunk:
            process.send_signal(signal.SIGCONT)
            time.sleep(moment)
            process.send_signal(signal.SIGSTOP)  # what a reader sees now is what a kill leaves
            seen += _all_whole(tmp_path / "data")
        process.kill()
        process.wait()
        process.stdout.close()
        _all_whole(tmp_path / "data")
    assert seen > 100


def _all_whole(folder: Path) -> int:
    """Loads every version that can be seen; how many there are of the newest writer."""
    count = 0
    for kind in KINDS:
        reader = dataset(folder, kind)
        for version in reader.list_versions(full_path=False)[:3]:
            seed = int(version.removeprefix("2026-01-02T00.00.").removesuffix("Z"))
            reader.pin(version)
            loaded, saved = as_saved(kind, reader.load()), content(kind, seed)
            assert loaded == (dict(sorted(saved.items())) if kind == "folder" else saved), version
            count += 1
    return count
