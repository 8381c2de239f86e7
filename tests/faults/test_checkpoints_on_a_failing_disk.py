"""A disk that fails while a fit writes a checkpoint or its best model."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from failing_disk import failing_disk
from safetensors import SafetensorError

from wenliu.errors import UserError
from wenliu.modeling.doctor import examine
from wenliu.modeling.network import build_model
from wenliu.params import FinetuningParams
from wenliu.pipelines.finetuning.settings import resolve_settings
from wenliu.tasks import SingleLabelClassification
from wenliu.training import checkpoints
from wenliu.training.batches import Rows
from wenliu.training.fit import fit

TASK, CPU = SingleLabelClassification(), torch.device("cpu")
PARAMS = FinetuningParams(
    epochs=2, batch_size=16, evaluations_per_epoch=1, metric="loss", learning_rate=3e-3,
    checkpoint_minutes=0, patience=10,
)  # fmt: skip
#: Of the whole fit, one an epoch. An evaluation follows each, and a checkpoint.
STEPS = 2


def make_rows(n, seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, 15, n)
    flat = generator.integers(5, 40, lengths.sum()).astype(np.int32)
    return Rows.from_offsets(flat, np.append(0, np.cumsum(lengths)), generator.integers(0, 2, n))


@pytest.fixture(scope="module")
def train():
    """Fits a tiny model with dropout in a workspace; gives its weights and the result."""
    size = SimpleNamespace(
        hidden_size=16, layers=1, heads=2, intermediate_size=32, max_positions=32, dropout=0.1
    )
    params = SimpleNamespace(checkpoint="scratch", revision=None, seed=1, scratch=size)
    settings = resolve_settings(PARAMS, {"path": None, "learning_rate": 3e-3}, 1_000, 5, "fp32")
    rows, validation = make_rows(16, 0), make_rows(8, 1)

    def train(workspace):
        model = build_model(
            examine(None, params), head=TASK.head, labels=["a", "b"], vocab_size=40, params=params
        )
        result = fit(model, TASK, rows, validation, settings, workspace, CPU)
        return model.state_dict(), result

    return train


@contextmanager
def disk(folder, k, monkeypatch, code=errno.ENOSPC):
    """``failing_disk``, on which a file that Rust writes counts as one operation."""
    save = checkpoints.save_file
    with failing_disk(folder, k, monkeypatch, code) as opened, monkeypatch.context() as patch:

        def counted(tensors, path):
            try:
                opened.tick("safetensors")
            except OSError as error:
                path.write_bytes(b"half a file")
                raise SafetensorError(f"I/O error: {error.strerror} (os error {code})") from None
            save(tensors, path)

        patch.setattr(checkpoints, "save_file", counted)
        yield opened


def same(first, second):
    (weights, result), (others, other) = first, second
    return (
        all(torch.equal(weights[name], tensor) for name, tensor in others.items())
        and (result.best.name, result.best_score) == (other.best.name, other.best_score)
        and [row["loss"] for row in result.history] == [row["loss"] for row in other.history]
    )


def steps_in(workspace):
    return [path.name for path in (workspace / "checkpoints").glob("step-*")]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(errno.ENOSPC, id="full"),
        pytest.param(errno.EIO, id="broken", marks=pytest.mark.slow),
    ],
)
def test_whichever_operation_fails_the_fit_goes_on_from_the_checkpoint_before(
    tmp_path, monkeypatch, train, code
):
    """Reliability 2: the k-th write, fsync or rename fails, for every k; resumed bit-equal."""
    (tmp_path / "whole").mkdir()  # as WorkspaceDataset does
    with disk(tmp_path, None, monkeypatch) as counting:
        whole = train(tmp_path / "whole")
    assert whole[1].steps == STEPS and counting.count > 10 * STEPS
    resumed = set()
    for k in range(1, counting.count + 1):
        workspace = tmp_path / f"failed-{k}"
        workspace.mkdir()
        with disk(tmp_path, k, monkeypatch, code) as failing:
            try:
                train(workspace)
            except UserError as error:
                assert os.strerror(code) in error.found and str(workspace) in error.where
                assert ("prune" in error.remedy) == (code == errno.ENOSPC)
            else:  # a folder that is there already is as good as one that was made
                assert failing.failed == "mkdir", (k, failing.failed)
        stood = max((int(name[5:]) for name in steps_in(workspace)), default=None)
        again = train(workspace)
        assert again[1].resumed_from == stood, (k, failing.failed)
        assert same(whole, again), (k, failing.failed)
        assert not list(workspace.rglob("*.partial")), (k, failing.failed)
        resumed.add(stood)
        shutil.rmtree(workspace)
    assert resumed == {None, *range(1, STEPS + 1)}


def test_a_disk_that_takes_no_large_file_leaves_the_checkpoint_before(tmp_path, train):
    """Reliability 2: the kernel refuses to let AdamW's moments grow; Rust writes them."""
    whole = train(tmp_path / "whole")
    [size] = {path.stat().st_size for path in (tmp_path / "whole").rglob("optimizer.safetensors")}
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    unlimited = (resource.RLIM_INFINITY,) * 2
    try:
        for limit in np.linspace(size // 2 + 2_000, size - 1, 4, dtype=int).tolist():
            workspace = tmp_path / f"limit-{limit}"
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            with pytest.raises(UserError, match=r"checkpoint of step 1 .*File too large"):
                train(workspace)
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            assert not steps_in(workspace)
            assert same(whole, train(workspace))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, before)
