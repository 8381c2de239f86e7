"""Kills fits at random moments and lets them go on; prints what came of it as JSON.

    python killed_fits.py FOLDER packed|padded|two KILLS SEED

A fit is a process of its own (two: two processes of gloo), forked after the slow imports, and ended
by SIGKILL. It writes a checkpoint after every step, so most kills fall into one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

from wenliu.modeling.doctor import examine
from wenliu.modeling.network import build_model
from wenliu.params import FinetuningParams
from wenliu.pipelines.finetuning.settings import resolve_settings
from wenliu.tasks import SingleLabelClassification
from wenliu.training.batches import Rows
from wenliu.training.distributed import ALONE, World
from wenliu.training.fit import fit

TASK = SingleLabelClassification()
PARAMS = FinetuningParams(
    epochs=2, batch_size=8, class_weights="balanced", label_smoothing=0.1, token_dropout=0.1,
    evaluations_per_epoch=2, metric="loss", learning_rate=3e-3, checkpoint_minutes=0,
)  # fmt: skip


def make_rows(n: int, seed: int) -> Rows:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, 15, n)
    flat = generator.integers(5, 40, lengths.sum()).astype(np.int32)
    return Rows.from_offsets(flat, np.append(0, np.cumsum(lengths)), generator.integers(0, 2, n))


def make_model(kind: str):
    """With dropout: random numbers have to be restored too."""
    torch.manual_seed(1)
    if kind == "padded":
        config = DebertaV2Config(
            vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=32,
        )  # fmt: skip
        return DebertaV2ForSequenceClassification(config)
    size = SimpleNamespace(
        hidden_size=16, layers=2, heads=2, intermediate_size=32, max_positions=32, dropout=0.1
    )
    params = SimpleNamespace(checkpoint="scratch", revision=None, seed=1, scratch=size)
    return build_model(
        examine(None, params), head=TASK.head, labels=["a", "b"], vocab_size=40, params=params
    )


def run_fit(kind: str, workspace: Path, world: World) -> None:
    settings = resolve_settings(PARAMS, {"path": None, "learning_rate": 1e-3}, 1_000, 5, "fp32")
    rows, model = (make_rows(60, 0), make_rows(20, 1)), make_model(kind)
    result = fit(model, TASK, *rows, settings, workspace, torch.device("cpu"), world)
    if world.writes:
        save_file(dict(model.named_parameters()), workspace / "last.safetensors")
        shown = [{k: v for k, v in row.items() if k != "rows_per_second"} for row in result.history]
        found = {
            "history": shown, "best": result.best.name, "score": result.best_score,
            "steps": result.steps, "resumed_from": result.resumed_from,
        }  # fmt: skip
        (workspace / "found.json").write_text(json.dumps(found), "utf-8")


def start(kind: str, workspace: Path) -> list[int]:
    """Forks the processes of a fit; the numbers of them."""
    size = 2 if kind == "two" else 1
    meeting = workspace / "meeting"
    workspace.mkdir(parents=True, exist_ok=True)
    meeting.unlink(missing_ok=True)
    started = []
    for rank in range(size):
        pid = os.fork()
        if pid:
            started.append(pid)
            continue
        code = 1
        try:
            os.environ["TQDM_DISABLE"] = "1"
            if size == 1:
                run_fit(kind, workspace, ALONE)
            else:
                store = dist.FileStore(str(meeting), size)
                dist.init_process_group(
                    "gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=60)
                )
                run_fit(kind, workspace, World(rank, size))
                dist.barrier()  # nobody closes its connections before all are done
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    return started


def finish(kind: str, workspace: Path) -> tuple[dict, dict]:
    """Lets a fit come to its end: what it found, and its last and best weights."""
    ended = [os.waitpid(pid, 0)[1] for pid in start(kind, workspace)]
    assert not any(ended), ended
    found = json.loads((workspace / "found.json").read_text("utf-8"))
    best = load_file(workspace / found["best"] / "model.safetensors")
    last = load_file(workspace / "last.safetensors")
    return found, {**{f"best {name}": t for name, t in best.items()}, **last}


def main() -> None:
    folder, kind, kills, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    chance = random.Random(seed)
    begun = time.monotonic()
    whole, weights = finish(kind, folder / "whole")
    seconds = time.monotonic() - begun
    for number in range(kills):
        workspace = folder / f"killed-{number}"
        for _ in range(chance.choice((1, 1, 2))):  # some are killed again
            pids = start(kind, workspace)
            time.sleep(chance.uniform(0, 0.9 * seconds))
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        found, others = finish(kind, workspace)
        resumed_from = found.pop("resumed_from")
        report = {
            "resumed_from": resumed_from,
            "weights": weights.keys() == others.keys()
            and all(torch.equal(weights[name], others[name]) for name in weights),
            "rest": found == {k: v for k, v in whole.items() if k != "resumed_from"},
        }
        print(json.dumps(report), flush=True)
        shutil.rmtree(workspace)


if __name__ == "__main__":
    main()
