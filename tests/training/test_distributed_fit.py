"""Two processes that torchrun starts train the model that one trains."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from torch.distributed import HashStore

from wenliu.errors import UserError
from wenliu.modeling.doctor import examine
from wenliu.modeling.network import build_model, load_model
from wenliu.modeling.packed import as_classifier
from wenliu.params import FinetuningParams
from wenliu.pipelines.finetuning.settings import resolve_settings
from wenliu.tasks import SingleLabelClassification
from wenliu.training.batches import Rows, pack
from wenliu.training.distributed import World
from wenliu.training.job import fit_in_processes
from wenliu.training.launch import Processes, choose_processes
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.step import TrainStep

TASK = SingleLabelClassification()
CPU = torch.device("cpu")
#: 97 rows in steps of 16: six, and one of a single row, where one process has none.
PARAMS = FinetuningParams(
    epochs=5, batch_size=4, accumulation=4, learning_rate=2e-3, class_weights="balanced",
    label_smoothing=0.1, token_dropout=0.1, patience=3, evaluations_per_epoch=2, precision="fp32",
    metric="loss",
)  # fmt: skip

#: Twice as many steps, with a checkpoint after each.
LONG = {"epochs": 10, "patience": 100, "checkpoint_minutes": 0.0}


def make_model():
    size = SimpleNamespace(
        hidden_size=16, layers=2, heads=2, intermediate_size=32, max_positions=32, dropout=0.0
    )
    params = SimpleNamespace(checkpoint="scratch", revision=None, seed=1, scratch=size)
    profile = examine(None, params)
    return build_model(profile, head=TASK.head, labels=["a", "b"], vocab_size=40, params=params)


def make_rows(n, seed):
    """Rows that hold token 10 or token 20; which one is the label."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(n) < 0.3).astype(int)
    rows = []
    for label in labels:
        body = generator.integers(25, 40, generator.integers(3, 12))
        body[generator.integers(len(body))] = 20 if label else 10
        rows.append([2, *body, 3])
    offsets = np.cumsum([0, *map(len, rows)])
    return Rows.from_offsets(np.concatenate(rows).astype(np.int32), offsets, labels)


def train(tmp_path, processes, **changes):
    params = PARAMS.model_copy(update=changes)
    profile = {"path": None, "learning_rate": 1e-3}
    settings = resolve_settings(params, profile, tokens=1_000, seed=5, precision="fp32")
    workspace = tmp_path / f"{processes.total}"
    rows = make_rows(97, 0), make_rows(41, 1)
    return fit_in_processes(make_model(), TASK, *rows, settings, workspace, CPU, processes)


def assert_same(one, two):
    """The same weights and decisions; ``key.bias`` has nothing to compare.

    Softmax does not see what it adds, so its gradient is zero but for rounding, and Adam makes
    steps of full size out of that noise.
    """
    weights, others = (load_model(result.best).state_dict() for result in (one, two))
    for name, tensor in weights.items():
        if not name.endswith("key.bias"):
            assert torch.allclose(tensor, others[name], rtol=0, atol=1e-5), name
    assert two.best.name == one.best.name
    same = ("best_epoch", "epochs", "steps", "stopped_early", "packed")
    assert {name: asdict(one)[name] for name in same} == {n: asdict(two)[n] for n in same}
    assert len(one.history) == len(two.history)
    for row, other in zip(one.history, two.history, strict=True):
        assert row.keys() == other.keys() and row["split"] == other["split"]
        for name in row.keys() - {"rows_per_second", "split"}:
            assert row[name] == pytest.approx(other[name], abs=1e-5), name


def test_two_processes_train_what_one_trains(tmp_path, capfd):
    one, two = train(tmp_path, Processes(1)), train(tmp_path, Processes(2))
    assert one.steps > 25
    assert_same(one, two)
    # The first process alone wrote, and the job's folder is gone.
    assert two.best.is_dir() and not (tmp_path / "2" / "job").exists()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_a_users_error_of_the_loop_comes_back(tmp_path):
    with pytest.raises(UserError, match=r"loss became nan") as caught:
        train(tmp_path, Processes(2), learning_rate=float("nan"))
    assert caught.value.where == "finetuning" and "learning_rate" in caught.value.remedy


@pytest.mark.slow
def test_a_signal_reaches_all_processes_and_they_write_a_checkpoint(tmp_path):
    """Reliability 6, with torchrun: the signal's exit code, and the same fit goes on."""
    program = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_distributed_fit import LONG, Processes, train\n"
        "from wenliu.run_command import _leave\n"
        "signal.signal(signal.SIGTERM, _leave)\n"
        f"train(Path({str(tmp_path)!r}), Processes(2), **LONG)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    checkpoints = tmp_path / "2" / "checkpoints"
    end = time.monotonic() + 200
    while not list(checkpoints.glob("step-*")):
        assert owner.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    owner.send_signal(signal.SIGTERM)
    _, told = owner.communicate(timeout=120)
    assert owner.returncode == 143
    assert "the same command goes on from there" in told
    stopped_at = max(int(path.name[5:]) for path in checkpoints.glob("step-*"))
    assert train(tmp_path, Processes(2), **LONG).resumed_from == stopped_at


def test_parts_of_a_step_cover_it_and_are_alike():
    lengths = np.sort(np.random.default_rng(0).integers(3, 200, 37))
    parts = [World(rank, 4).share(np.arange(37)) for rank in range(4)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(37))
    tokens = [int(lengths[part].sum()) for part in parts]
    assert max(tokens) - min(tokens) <= 2 * lengths.max()
    assert [len(World(rank, 4).share(np.arange(2))) for rank in range(4)] == [1, 1, 0, 0]


def test_a_folder_of_something_else_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "thesis.txt").write_text("years of work")
    monkeypatch.setenv("WENLIU_JOB_FOLDER", str(tmp_path))
    with pytest.raises(UserError, match=r"(?s)no job of an earlier fit.*does not exist yet"):
        train(tmp_path, Processes(1, nodes=2))
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.slow
def test_two_nodes_as_documented(tmp_path, monkeypatch):
    """Two torchrun agents on this machine, with the variables of ``docs/multi-node.md``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nodes = {
        "PET_NNODES": "2", "PET_NPROC_PER_NODE": "1", "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(port), "PET_RDZV_CONF": "timeout=3600", "OMP_NUM_THREADS": "1",
        "WENLIU_JOB_FOLDER": str(tmp_path / "shared" / "job"),
    }  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", "-m", "wenliu.training"]
    other = subprocess.Popen(
        [*command, nodes["WENLIU_JOB_FOLDER"]], env={**os.environ, **nodes, "PET_NODE_RANK": "1"}
    )
    try:
        time.sleep(8)  # it is there long before the job is, and waits
        assert other.poll() is None
        for name, value in {**nodes, "PET_NODE_RANK": "0"}.items():
            monkeypatch.setenv(name, value)
        two = train(tmp_path, choose_processes("auto", CPU))
        assert other.wait(60) == 0
    finally:
        other.kill()
    one = train(tmp_path, Processes(1))
    assert_same(one, two)


def test_memory_that_is_short_in_one_process_cuts_the_steps_of_all(monkeypatch):
    answers = [True, False]  # of the others; here everything fits
    monkeypatch.setattr(World, "any", lambda world, flag: answers.pop(0))
    settings = resolve_settings(PARAMS, {"path": None, "learning_rate": 1e-3}, 1_000, 5, "fp32")
    rows = make_rows(97, 0)
    objective = Objective(LOSSES[TASK.loss], rows.labels, 2, settings, CPU)
    step = TrainStep(as_classifier(make_model(), CPU), rows, objective, settings, CPU, 10)
    step.probe(np.argsort(rows.lengths)[:16])
    assert not answers
    assert (step.micro_batches.parts, step.micro_batches.halvings) == (8, 1)


@pytest.fixture
def process_group():
    torch.distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("family", ["Bert", "Roberta", "Electra", "Albert", "DebertaV2"])
def test_every_family_is_replicated_with_all_its_weights(family, process_group):
    """A weight that no gradient reaches would stop the second update."""
    config = getattr(transformers, f"{family}Config")(
        vocab_size=40, hidden_size=16, embedding_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0, pad_token_id=0,
    )  # fmt: skip
    stock = getattr(transformers, f"{family}ForSequenceClassification")(config)
    alone, rows = as_classifier(stock.train(), CPU), make_rows(8, 0)
    world = World(rank=0, size=2)  # of its two processes, one is here
    replica = world.replicate(alone)
    assert replica is not alone
    for _ in range(3):
        found = []
        for module in (alone, replica):
            alone.zero_grad()
            for number, part in enumerate(np.split(np.arange(8), 2)):
                batch = pack(rows, part)
                with world.accumulating(module, last=number == 1):
                    torch.nn.functional.cross_entropy(module(batch), batch.labels).backward()
            found.append({name: p.grad.clone() for name, p in alone.named_parameters()})
        for name, gradient in found[0].items():
            assert torch.allclose(gradient, found[1][name], atol=1e-6), name
