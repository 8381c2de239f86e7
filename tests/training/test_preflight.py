"""Whether the disk has room is asked before anything is trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from wenliu import disk as disk_module
from wenliu.errors import UserError
from wenliu.tasks import SingleLabelClassification
from wenliu.training import best, checkpoints
from wenliu.training.fit import fit
from wenliu.training.preflight import check_space
from wenliu.training.saving import Saver
from wenliu.training.validation import Validator

#: 3 x (4 + 8) bytes of each weight for checkpoints, 3 x 4 for best models, and the data.
NEEDED = 48 * 1_000_000 + 500


@pytest.fixture
def disk(monkeypatch):
    """Sets how many bytes are free."""

    def free(count):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=count))

    return free


def test_a_disk_without_room_is_refused_with_numbers(disk, tmp_path):
    """Reliability 9: at 3 x (model + optimizer) + data and up to what is really written."""
    disk(36 * 1_000_000 + 500)
    with pytest.raises(UserError, match=r"Free 12\.0 MB"):
        check_space(tmp_path / "workspace", 1_000_000, 500)
    disk(NEEDED)
    check_space(tmp_path / "workspace", 1_000_000, 500)
    disk(NEEDED - 1)
    with pytest.raises(UserError) as refused:
        check_space(tmp_path / "workspace", 1_000_000, 500)
    text = str(refused.value)
    assert "needs 48.0 MB of disk for 1,000,000 weights" in text and "48.0 MB are free" in text
    assert str(tmp_path / "workspace") in text and "Free 1 bytes" in text


def test_several_processes_get_the_model_as_a_file(disk, tmp_path):
    disk(NEEDED + 4_000_000 - 1)
    check_space(tmp_path, 1_000_000, 500)
    with pytest.raises(UserError, match=r"(?s)52\.0 MB.*4 times the model.*Free 1 bytes"):
        check_space(tmp_path, 1_000_000, 500, processes=2)


def tensor_bytes(path):
    """Of a file of weights or moments, without its header; a real model has few names to bytes."""
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    return 0 if path.name == "processes.safetensors" else len(content) - header


def test_a_fit_never_needs_more_than_was_asked_for(
    tmp_path, tiny_model, tiny_rows, base_settings, monkeypatch
):
    """Reliability 9: every evaluation finds a better model, one in three is at a checkpoint."""
    model, most, write = tiny_model(0.1), [], disk_module.write_folder
    weights = sum(parameter.numel() for parameter in model.parameters())

    def measured(folder, fill):
        def filled(beside):
            fill(beside)
            most.append(sum(map(tensor_bytes, tmp_path.rglob("*.safetensors"))))

        write(folder, filled)

    for module in (best, checkpoints):
        monkeypatch.setattr(module, "write_folder", measured)
    scores = iter(range(1_000))
    monkeypatch.setattr(Validator, "__call__", lambda *_: {"loss": 1.0, "macro_f1": next(scores)})
    due = iter(range(1_000))
    monkeypatch.setattr(Saver, "is_due", lambda *_: next(due) % 3 == 2)
    settings = replace(base_settings, epochs=3, evaluations_per_epoch=8)
    arguments = SingleLabelClassification(), tiny_rows(64), tiny_rows(20, 1), settings
    fit(model, *arguments, tmp_path, torch.device("cpu"))
    assert 47 * weights < max(most) < 49 * weights


def test_what_an_earlier_run_of_the_fit_left_counts_as_free(disk, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "weights.safetensors").write_bytes(bytes(1_000))
    disk(NEEDED - 1_000)
    check_space(tmp_path, 1_000_000, 500)
    disk(NEEDED - 1_001)
    with pytest.raises(UserError, match="Free 1 bytes"):
        check_space(tmp_path, 1_000_000, 500)
