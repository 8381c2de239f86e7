"""How a fit ends early: numbers that are none, and a disk that takes no more."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from wenliu.disk import write_atomically
from wenliu.errors import UserError

#: In the workspace: where an earlier run of the same fit stopped.
NOTE = "not-a-number.json"
#: How Rust, in which safetensors is written, names an error of the system.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """While ``what`` is written into ``folder``: a disk that fails is said plainly.

    Raises:
        UserError: What the system said, and that the same command goes on.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = getattr(error, "errno", None)
        if number is None and (found := _OS_ERROR.search(str(error))):
            number = int(found[1])
        full = number in (errno.ENOSPC, errno.EDQUOT)
        raise UserError(
            f"{what} could not be written: {os.strerror(number) if number else error}.",
            where=str(folder.resolve()),
            remedy=("Make room, for instance with: wenliu prune." if full else "Check the disk.")
            + " The same command then goes on from the last checkpoint.",
        ) from error


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
        with suppress(OSError):  # of a full disk: it must not take the place of this one
            write_atomically(workspace / NOTE, json.dumps({"step": step, "times": times}))
    found = f"{what} at step {step} of {total_steps}"
    if resumed_from is not None:
        found += f", resumed at step {resumed_from}"
    remedy = "Try a smaller finetuning.learning_rate, or finetuning.precision=fp32."
    if times > 1:
        found += f"; it did so {times} times"
        remedy += " The same data, settings and code will end here every time."
    return UserError(f"{found}.", where="finetuning", remedy=remedy)
