"""Starts processes by torchrun, watches them, and says why they failed.

They get a folder, never objects (``job.py``), and they end with the process that started them:
Ctrl-C and SIGTERM reach torchrun as SIGTERM, which ends them; after SIGKILL they see their
standard input end. Nothing heavy is imported here: what starts and watches is there at once.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import wenliu
from wenliu.disk import write_atomically
from wenliu.errors import UserError

if TYPE_CHECKING:
    import torch

#: A signal must have ended all within two minutes. A process leaves by itself after
#: ``interruption.PATIENCE_SECONDS``; then torchrun kills it, and at last we kill torchrun.
WORKER_SECONDS = 105
LEAVE_SECONDS = 115
#: Lines of the log that an error shows.
TAIL = 12
#: In torchrun's report: the signal that ended the process that failed first.
_SIGNAL = re.compile(r"Root Cause.*?exitcode\s*:\s*-(\d+)", re.DOTALL)


@dataclass(frozen=True)
class Processes:
    """How many processes train: ``per_node`` on each of ``nodes`` machines."""

    per_node: int = 1
    nodes: int = 1

    @property
    def total(self) -> int:
        """On all machines."""
        return self.per_node * self.nodes


def choose_processes(
    wanted: Literal["auto"] | int,
    device: torch.device,
    environment: Mapping[str, str] = os.environ,
) -> Processes:
    """How many processes train.

    Several nodes are asked for by the environment variables of torchrun itself, ``PET_NNODES``
    and its companions, which Slurm scripts and Kubernetes set (``docs/multi-node.md``).

    Args:
        wanted: On each node; ``auto`` is one for each GPU, and one where there is none or where
            ``device`` names a certain one.
        device: Where to train.
        environment: Variables of the process.

    Raises:
        UserError: If there are fewer GPUs than processes, or the launcher's variables are off.
    """
    import torch

    nodes = _nodes(environment)
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    one_gpu = device.index is not None
    given = environment.get("PET_NPROC_PER_NODE", "") if nodes > 1 else ""
    if wanted != "auto":
        per_node = wanted
    elif given.isdecimal():
        per_node = int(given)
    else:  # also what torchrun's own "auto" and "gpu" mean
        per_node = 1 if one_gpu else max(1, gpus)
    processes = Processes(per_node, nodes)
    if processes.total == 1:
        return processes
    if device.type == "mps" or one_gpu or (device.type == "cuda" and per_node > gpus):
        raise UserError(
            f"{per_node} processes cannot train on the device {device}"
            + (f" of {gpus}: each needs a GPU of its own." if device.type == "cuda" else "."),
            where="parameters finetuning.processes and model.device",
            remedy="Leave both at auto, or train in one process.",
        )
    if nodes > 1 and "WENLIU_JOB_FOLDER" not in environment:
        raise UserError(
            f"PET_NNODES asks for {nodes} nodes, but no folder that all of them see is named.",
            where="environment variable WENLIU_JOB_FOLDER",
            remedy="See docs/multi-node.md, or unset PET_NNODES.",
        )
    return processes


def run_torchrun(folder: Path, processes: Processes, module: str = "wenliu.training") -> None:
    """Runs ``python -m module folder`` in every process and waits until all have ended.

    The standard output of the first process goes to our standard error, which shows its progress
    bar; everything else goes to ``folder/torchrun.log`` and ``folder/logs``.
    """
    redirects = ["0:2", *(f"{rank}:3" for rank in range(1, processes.per_node))]
    command = [
        *(sys.executable, "-m", "torch.distributed.run"),
        *(["--standalone"] if processes.nodes == 1 else []),
        *("--nproc-per-node", str(processes.per_node)),
        *("--log-dir", str(folder / "logs"), "--redirects", ",".join(redirects)),
        *("-m", module, str(folder), "--owned"),
    ]
    with (folder / "torchrun.log").open("wb") as log:
        torchrun = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # never written to: it ends when we do
            stdout=2,
            stderr=log,
            env=_environment(processes),
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        try:
            torchrun.wait()
        finally:
            _end(torchrun)


def _end(torchrun: subprocess.Popen[bytes]) -> None:
    if torchrun.poll() is None:
        torchrun.terminate()
        try:
            torchrun.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            torchrun.kill()
            torchrun.wait()
    assert torchrun.stdin is not None
    torchrun.stdin.close()  # whoever is left sees this


def _environment(processes: Processes) -> dict[str, str]:
    """Ours, with the cores divided and this package importable."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    package = str(Path(wenliu.__file__).parents[1])
    path = os.environ.get("PYTHONPATH")
    return {
        "OMP_NUM_THREADS": str(max(1, (cores or 1) // processes.per_node)),
        # 30 s by default, in which a large model writes no checkpoint. The same as the option
        # --shutdown-timeout, which a torchrun that does not know it would refuse.
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(WORKER_SECONDS),
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, path] if path else [package]),
    }


def write_error(folder: Path, rank: int, error: Exception) -> None:
    """Keeps why this process ended, for the one that started all."""
    values: dict[str, Any] = {"rank": rank, "traceback": traceback.format_exc()}
    if isinstance(error, UserError):
        values["user_error"] = [error.found, error.where, error.remedy]
    write_atomically(folder / f"error-{rank}.json", json.dumps(values, ensure_ascii=False))


def failure(folder: Path) -> UserError:
    """Why there is no result: an error of ours, a signal, another error, or torchrun itself."""
    paths = sorted(folder.glob("error-*.json"), key=lambda path: path.stat().st_mtime_ns)
    errors = [json.loads(path.read_text("utf-8")) for path in paths]
    for error in errors:
        if "user_error" in error:
            found, where, remedy = error["user_error"]
            return UserError(found, where=where, remedy=remedy)
    log = folder / "torchrun.log"
    remedy = "Read the log; finetuning.processes=1 trains in this process alone."
    text = log.read_text("utf-8", errors="replace")
    if killed := _SIGNAL.search(text):
        number = int(killed[1])
        name = signal.Signals(number).name
        if number == signal.SIGKILL:
            remedy = (
                "The system may have run out of memory: try a smaller batch or fewer processes."
            )
        return UserError(f"A training process was ended by {name}.", where=str(log), remedy=remedy)
    if errors:  # the earliest: the others lost their connection to it
        text = errors[0]["traceback"]
        found = f"Training process {errors[0]['rank']} failed:"
    else:
        found = "The training processes failed:"
    tail = "\n".join(f"    {line}" for line in text.strip().splitlines()[-TAIL:])
    return UserError(f"{found}\n{tail}", where=str(log), remedy=remedy)


def _nodes(environment: Mapping[str, str]) -> int:
    text = environment.get("PET_NNODES", "1")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(
            f"{text!r} is no number of nodes.",
            where="environment variable PET_NNODES",
            remedy="Give one number: a fit does not go on with fewer nodes than it began with.",
        )
    return int(text)
