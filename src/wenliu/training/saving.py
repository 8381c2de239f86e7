"""When a fit writes a checkpoint, and how it goes back to one."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from wenliu.errors import UserError
from wenliu.training.best import BestModel
from wenliu.training.checkpoints import Checkpoint, Checkpoints
from wenliu.training.failures import not_a_number
from wenliu.training.interruption import Interruption
from wenliu.training.record import Record
from wenliu.training.state import is_finite, read_state, restore_state
from wenliu.training.step import TrainStep

#: Checkpoints at evaluations may take a twentieth of the time: evaluations of a small model come
#: every second. Those by the clock are written whatever they take.
MOST_SHARE = 0.05


class Saver:
    """Writes the state of a loop every so many minutes and at evaluations, and restores it.

    Args:
        take_step: The state that is saved, with ``record`` and ``best``.
        record: See ``Record``.
        best: See ``BestModel``.
        workspace: Folder of the fit.
        identity: See ``identity_of``; needed on the first process only.
        minutes: Between two checkpoints; 0: one after every step.
    """

    def __init__(
        self,
        take_step: TrainStep,
        record: Record,
        best: BestModel,
        workspace: Path,
        identity: str,
        minutes: float,
    ) -> None:
        self.take_step, self.record, self.best = take_step, record, best
        self.world = take_step.world
        self.seconds = 60 * minutes
        self.workspace, self.checkpoints = workspace, Checkpoints(workspace, identity)
        self.found: Checkpoint | None = None
        self.begun = self.written_at = time.perf_counter()
        self.cost = 0.0
        self.saved_step = 0
        self.resumed_from: int | None = None

    def find(self) -> None:
        """Looks for a checkpoint to go on from, and takes its numbers; on every process.

        Its tensors want the moments laid out first: ``restore``.
        """
        state: dict[str, Any] | None = None
        if self.world.writes:
            self.found = self.checkpoints.newest()
            self.best.forget(self.checkpoints.needed())  # all that later steps would write again
            state = self.found.progress if self.found else None
        state = json.loads(self.world.send_text(json.dumps(state)))
        if state is None:
            return
        self.record.restore(state["record"])
        self.best.restore(state["best"])
        self.take_step.micro_batches.parts = state["parts"]
        self.take_step.micro_batches.halvings = state["halvings"]
        self.take_step.steps_summed = state["steps_summed"]
        self.begun -= self.record.seconds
        self.resumed_from = self.saved_step = self.record.step

    def restore(self) -> None:
        """Takes the tensors of the checkpoint that ``find`` found, if any; on every process."""
        if self.resumed_from is not None:
            restore_state(self.take_step, self.found)
            self.take_step.move_schedule(self.resumed_from)

    def after_step(self, evaluated: bool, interruption: Interruption) -> bool:
        """Writes a checkpoint if it is time or a signal came; after a signal the run ends.

        Called on every process where they wait for each other anyway: they agree on it.

        Returns:
            Whether one was written.

        Raises:
            SystemExit: A signal came, to whichever process.
            UserError: A weight is not a number: there is nothing to save.
        """
        leaves = interruption.signal is not None
        if not self.world.any(leaves or (self.world.writes and self.is_due(evaluated))):
            return False
        leaves = self.world.any(leaves)
        self.write()
        if leaves:
            if self.world.writes:
                where = f"step {self.record.step} of {self.take_step.total_steps}"
                message = f"Training stopped at {where}: the same command goes on from there."
                print(message, file=sys.stderr)
            raise SystemExit(interruption.exit_code)
        return True

    def is_due(self, evaluated: bool) -> bool:
        """Whether it is time for another one."""
        since = time.perf_counter() - self.written_at
        return since >= self.seconds or (evaluated and since * MOST_SHARE >= self.cost)

    def write(self) -> None:
        """Writes a checkpoint of this moment, unless there is one; on every process.

        Raises:
            UserError: A weight is not a number: there is nothing to go on from. Or the disk is
                full, or fails.
        """
        if self.saved_step == self.record.step:
            return
        begun = time.perf_counter()
        if not is_finite(self.take_step):
            raise self.not_a_number("A weight of the model is not a number")
        tensors = read_state(self.take_step)
        self.record.seconds = begun - self.begun
        if self.world.writes:
            progress = {
                "record": self.record.state(),
                "best": self.best.state(),
                "parts": self.take_step.micro_batches.parts,
                "halvings": self.take_step.micro_batches.halvings,
                "steps_summed": self.take_step.steps_summed,
            }
            best = self.best.folder.name if self.best.folder else None
            self.checkpoints.write(self.record.step, tensors, progress, best)
            self.best.forget(self.checkpoints.needed())
        self.saved_step = self.record.step
        self.written_at = time.perf_counter()
        self.cost = self.written_at - begun

    def not_a_number(self, what: str) -> UserError:
        """The error to end with, which names the step; the next run of this fit knows of it."""
        return not_a_number(
            what,
            self.record.step,
            self.take_step.total_steps,
            self.resumed_from,
            self.workspace,
            self.world.writes,
        )
