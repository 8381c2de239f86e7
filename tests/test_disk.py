"""Files that survive a crash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from wenliu import disk


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "说明.json"
    for content in ("第一版", b"\xff\x00", "第三版"):
        disk.write_atomically(path, content)
        expected = content.encode() if isinstance(content, str) else content
        assert path.read_bytes() == expected
        assert disk.sha256_of(path) == hashlib.sha256(expected).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "marker.json"
    disk.write_atomically(path, "old")

    def full(_: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(disk, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        disk.write_atomically(path, "new")
    assert path.read_text() == "old"


def test_what_is_to_reach_the_disk_must_be_there(tmp_path):
    disk.fsync(tmp_path)
    with pytest.raises(FileNotFoundError):
        disk.fsync(tmp_path / "nothing")
