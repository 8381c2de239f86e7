"""Is there room for what training writes? Better asked before it than after six hours."""

from __future__ import annotations

import shutil
from pathlib import Path

from wenliu.errors import UserError

#: fp32.
WEIGHT_BYTES = 4
#: AdamW keeps two moments of every weight.
OPTIMIZER_BYTES = 8
#: Two checkpoints stay and a third is written beside them.
CHECKPOINTS = 3
#: Each of the three may refer to a best model of its own.
BEST_MODELS = 3


def check_space(folder: Path, parameters: int, data_bytes: int, processes: int = 1) -> None:
    """Refuses to start where the disk would be full before the end.

    What an earlier run of the same fit left in ``folder`` will be replaced: it counts as free.

    Args:
        folder: Where training writes; made if it is not there.
        parameters: Weights of the model.
        data_bytes: Of the rows, which several processes get as files.
        processes: That train; several get the model to start from as a file, too.

    Raises:
        UserError: With what is needed and what there is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model, optimizer = parameters * WEIGHT_BYTES, parameters * OPTIMIZER_BYTES
    models = BEST_MODELS + (processes > 1)
    needed = CHECKPOINTS * (model + optimizer) + models * model + data_bytes
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if free + there >= needed:
        return
    raise UserError(
        f"Training needs {_size(needed)} of disk for {parameters:,} weights: {CHECKPOINTS} times "
        f"the model and the optimizer's state, {models} times the model, and the data. "
        f"{_size(free + there)} are free.",
        where=str(folder.resolve()),
        remedy=f"Free {_size(needed - free - there)}, or take a smaller model.checkpoint.",
    )


def _size(count: float) -> str:
    """Bytes in the largest unit of which there is one."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
