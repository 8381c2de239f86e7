"""Writes what became of a nightly run, and tells people.

``kedro run`` wraps a nightly run in :meth:`NightHook.recording`, so that also what stops it before
Kedro calls its first hook (a misspelt parameter), and what reaches no hook at all (a signal), ends
in the record.
"""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu import alerts, clock, night_facts, nights
from wenliu.console import only_lines_on_stdout
from wenliu.hooks.night_results import NightResults
from wenliu.lock import BUSY
from wenliu.nights import Night

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline.node import Node

    from wenliu.hooks.reuse import Decision

#: What is made when a decision is made, and when it is carried out.
DECIDED = frozenset({"decision", "champion"})
_UNWRITTEN = "The record of the night could not be written"
_log = logging.getLogger(__name__)


class NightHook:
    """Keeps the record of a nightly run; does nothing in any other."""

    def __init__(self) -> None:
        self._night: Night | None = None
        self._catalog: CatalogProtocol | None = None
        self._made: set[str] = set()
        self._decided = False
        self._champion: int | None = None

    @contextmanager
    def recording(self, project: Path, problem: str) -> Iterator[None]:
        """The whole of a nightly run: ``running`` before it, the truth after it.

        Standard output gets the line of the night and nothing else: whatever the run and the
        processes it starts print goes to standard error.
        """
        self._project = project
        with only_lines_on_stdout() as say:
            with _at_most_a_warning("Nights that were killed could not be told of"):
                _tell(nights.close_dead(project, problem), say)
            self._night = nights.begin(problem)
            with _at_most_a_warning(_UNWRITTEN):
                nights.write(project, self._night)
            started = time.monotonic()
            error: BaseException | None = None
            try:
                yield
            except BaseException as raised:
                error = raised
                raise
            finally:
                self._close(error, time.monotonic() - started, say)

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol) -> None:
        """Names the record by Kedro's run id, and keeps what the results are read with."""
        if self._night is None:
            return
        before, self._night = self._night, replace(self._night, run_id=run_params["run_id"])
        with _at_most_a_warning(_UNWRITTEN):
            nights.rename(self._project, before, self._night)
        self._catalog = catalog
        # The registry hook has mended the link: what it leads to now was promoted earlier.
        self._champion = nights.champion(self._project, self._night.problem)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Notes what this run has made."""
        self._made |= set(node.outputs)
        self._decided |= not DECIDED.isdisjoint(node.outputs)

    @hook_impl
    def after_node_decided(self, node: Node, decision: Decision) -> None:
        """Notes what this run has found made already."""
        if decision.reused is not None:
            self._made |= set(node.outputs)

    def _close(
        self, error: BaseException | None, seconds: float, say: Callable[[str], None]
    ) -> None:
        """Writes the end of the night; nothing that goes wrong here changes how the run ends."""
        assert self._night is not None
        if isinstance(error, SystemExit) and error.code == BUSY:
            with _at_most_a_warning("A record without a night could not be taken back"):
                nights.forget(self._project, self._night)  # another run had the lock
            return
        night = self._ended(error, seconds)
        with _at_most_a_warning(_UNWRITTEN):
            nights.write(self._project, night)
        if night.status == "succeeded":  # else everything stays for whoever looks into it
            with _at_most_a_warning("Old versions could not be deleted"):
                from wenliu.retention import prune

                prune(self._project, night.problem)
        with _at_most_a_warning("The history page could not be written"):
            from wenliu.nights_page import write_history

            write_history(self._project, night.problem)
        with _at_most_a_warning("Nobody could be told of the night"):
            _tell([night], say)

    def _ended(self, error: BaseException | None, seconds: float) -> Night:
        assert self._night is not None
        finished = nights.stamp(clock.now())
        night = replace(self._night, finished_at=finished, seconds=round(seconds, 1))
        with _at_most_a_warning("The results could not be gathered for the record"):
            results = NightResults(self._project, night, self._catalog, self._made)
            night = replace(night, **results.fields())
        if error is None:
            return self._succeeded(night)
        if stopped := _stopped_by(error):
            reason = f"The run was stopped by {stopped}."
            return replace(night, status="killed", outcome="killed", reason=reason)
        found = night_facts.short_error(error)
        reason = night_facts.reason_of(found)
        return replace(night, status="failed", outcome="failed", reason=reason, error=found)

    def _succeeded(self, night: Night) -> Night:
        moved = night.champion != self._champion
        outcome = night_facts.outcome_of(night.decision, decided=self._decided, moved=moved)
        reason = night_facts.NOTHING_NEW
        if self._decided:
            reason = str((night.decision or {}).get("reason", night_facts.UNREADABLE))
        return replace(night, status="succeeded", outcome=outcome, reason=reason)


def _stopped_by(error: BaseException) -> str | None:
    """The signal that ended a run; ``kedro run`` leaves with 128 + its number."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT.name
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        names = {int(each): each.name for each in signal.Signals}
        return names.get(error.code - 128)
    return None


def _tell(ended: list[Night], say: Callable[[str], None]) -> None:
    for night in ended:
        say(json.dumps(alerts.message(night), ensure_ascii=False))
    alerts.tell(ended)


@contextmanager
def _at_most_a_warning(what: str) -> Iterator[None]:
    """Telling of a night must not stop it: what goes wrong stands in the log file."""
    try:
        yield
    except Exception as error:
        _log.warning("%s: %s", what, error)
        _log.info("", exc_info=error)
