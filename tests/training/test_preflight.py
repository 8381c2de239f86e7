"""Whether the disk has room is asked before anything is trained."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from wenliu.errors import UserError
from wenliu.training.preflight import check_space

#: 3 x (4 + 8) bytes of each weight, and the data.
NEEDED = 36 * 1_000_000 + 500


@pytest.fixture
def disk(monkeypatch):
    """Sets how many bytes are free."""

    def free(count):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=count))

    return free


def test_a_disk_without_room_is_refused_with_numbers(disk, tmp_path):
    """Reliability 9: below 3 x (model + optimizer) + data; one byte more is enough."""
    disk(NEEDED)
    check_space(tmp_path / "workspace", 1_000_000, 500)
    disk(NEEDED - 1)
    with pytest.raises(UserError) as refused:
        check_space(tmp_path / "workspace", 1_000_000, 500)
    text = str(refused.value)
    assert "needs 36.0 MB of disk for 1,000,000 weights" in text and "36.0 MB are free" in text
    assert str(tmp_path / "workspace") in text and "Free 1 bytes" in text


def test_what_an_earlier_run_of_the_fit_left_counts_as_free(disk, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "weights.safetensors").write_bytes(bytes(1_000))
    disk(NEEDED - 1_000)
    check_space(tmp_path, 1_000_000, 500)
    disk(NEEDED - 1_001)
    with pytest.raises(UserError, match="Free 1 bytes"):
        check_space(tmp_path, 1_000_000, 500)
