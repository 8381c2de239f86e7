"""A fit as a folder: what the node hands to the processes that torchrun starts, and what returns.

    job.json                    task, device, settings, workspace; written last
    model/                      weights to start from
    training/, validation/      flat.npy (memory-mapped by every process), lengths.npy, labels.npy
    result.json                 what the first process writes
    error-<rank>.json           why a process ended

Nothing is pickled: a folder can be read on another machine, and cannot run code there.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from wenliu.disk import write_atomically
from wenliu.errors import UserError
from wenliu.modeling.network import load_model, save_model
from wenliu.tasks import Task, get_task
from wenliu.training.batches import Rows
from wenliu.training.distributed import join_world
from wenliu.training.fit import FitResult, fit
from wenliu.training.launch import Processes, failure, run_torchrun
from wenliu.training.settings import FitSettings


def fit_in_processes(
    model: PreTrainedModel,
    task: Task,
    training: Rows,
    validation: Rows,
    settings: FitSettings,
    workspace: Path,
    device: torch.device,
    processes: Processes,
) -> FitResult:
    """Calls ``fit`` here, or in the processes that torchrun starts.

    The arguments are those of ``fit``. When others train, ``model`` stays as it is, and of
    ``device`` only the type matters: each process takes a GPU of its own.

    Raises:
        UserError: What ``fit`` raised, or why the processes ended.
    """
    if processes.total == 1:
        return fit(model, task, training, validation, settings, workspace, device)
    folder = workspace / "job" if processes.nodes == 1 else _shared_folder()
    shutil.rmtree(folder, ignore_errors=True)
    write_job(folder, model, task, training, validation, settings, workspace, device.type)
    run_torchrun(folder, processes)
    result = read_result(folder)
    if result is None:
        raise failure(folder)
    shutil.rmtree(folder)
    return result


def write_job(
    folder: Path,
    model: PreTrainedModel,
    task: Task,
    training: Rows,
    validation: Rows,
    settings: FitSettings,
    workspace: Path,
    device_type: str,
) -> None:
    """Writes all that ``run_job`` reads; the arguments are those of ``fit``."""
    folder.mkdir(parents=True)
    save_model(model, folder / "model")
    for name, rows in (("training", training), ("validation", validation)):
        _save_rows(folder / name, rows)
    job = {
        "task": task.name,
        "device": device_type,
        "settings": asdict(settings),
        "workspace": str(workspace.resolve()),
    }
    write_atomically(folder / "job.json", json.dumps(job, indent=2))


def run_job(folder: Path) -> None:
    """One process's part of the fit in ``folder``; the first one writes the result."""
    job = json.loads((folder / "job.json").read_text("utf-8"))
    with join_world(job["device"]) as world:
        result = fit(
            load_model(folder / "model"),
            get_task(job["task"]),
            _load_rows(folder / "training"),
            _load_rows(folder / "validation"),
            FitSettings(**job["settings"]),
            Path(job["workspace"]),
            world.device,
            world,
        )
        if world.writes:
            _write_result(folder, result)


def read_result(folder: Path) -> FitResult | None:
    """What the first process returned, if it got that far."""
    path = folder / "result.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text("utf-8"))
    return FitResult(**{**values, "best": Path(values["best"])})


def _shared_folder() -> Path:
    """Where several nodes look for the job."""
    folder = Path(os.environ["WENLIU_JOB_FOLDER"])
    if folder.exists() and not (folder / "job.json").exists():  # it is about to be deleted
        raise UserError(
            f"{folder} is there already, and is no job of an earlier fit.",
            where="environment variable WENLIU_JOB_FOLDER",
            remedy="Name a folder that does not exist yet.",
        )
    return folder


def _write_result(folder: Path, result: FitResult) -> None:
    values = {**asdict(result), "best": str(result.best)}
    write_atomically(folder / "result.json", json.dumps(values))


def _save_rows(folder: Path, rows: Rows) -> None:
    folder.mkdir()
    tokens = max(1, int(rows.lengths.sum()))  # nothing at all cannot be mapped
    flat = np.lib.format.open_memmap(folder / "flat.npy", "w+", np.int32, (tokens,))
    end = 0
    for part, start, length in zip(rows.part, rows.starts, rows.lengths, strict=True):
        flat[end : end + length] = rows.flats[part][start : start + length]
        end += length
    flat.flush()
    np.save(folder / "lengths.npy", rows.lengths, allow_pickle=False)
    np.save(folder / "labels.npy", rows.labels, allow_pickle=False)


def _load_rows(folder: Path) -> Rows:
    flat = np.load(folder / "flat.npy", mmap_mode="r", allow_pickle=False)
    lengths, labels = (np.load(folder / name) for name in ("lengths.npy", "labels.npy"))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return Rows.from_offsets(flat, offsets, labels)
