"""A fit that ran into numbers that are none, and how often it did."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from wenliu.disk import write_atomically
from wenliu.errors import UserError

#: In the workspace: where an earlier run of the same fit stopped.
NOTE = "not-a-number.json"


def not_a_number(
    what: str, step: int, total_steps: int, resumed_from: int | None, workspace: Path, writes: bool
) -> UserError:
    """The error to end with; a run that ends like an earlier one says so.

    Args:
        what: Is not a number.
        step: Where that was seen.
        total_steps: Of the fit.
        resumed_from: Step of the checkpoint that this run went on from.
        workspace: Of the fit; the same data, settings and code find the same one.
        writes: Whether this process notes it there.
    """
    earlier = {"step": -1, "times": 0}
    with suppress(OSError, ValueError):
        earlier = json.loads((workspace / NOTE).read_text("utf-8"))
    times = 1 + earlier["times"] if earlier["step"] == step else 1
    if writes:
        write_atomically(workspace / NOTE, json.dumps({"step": step, "times": times}))
    found = f"{what} at step {step} of {total_steps}"
    if resumed_from is not None:
        found += f", resumed at step {resumed_from}"
    remedy = "Try a smaller finetuning.learning_rate, or finetuning.precision=fp32."
    if times > 1:
        found += f"; it did so {times} times"
        remedy += " The same data, settings and code will end here every time."
    return UserError(f"{found}.", where="finetuning", remedy=remedy)
