"""Nights one after the other, each checked before the next one begins."""

from __future__ import annotations

import json
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from wenliu import nights
from wenliu.disk import write_atomically
from wenliu.errors import UserError
from wenliu.nights_page import PAGE, write_history
from wenliu.progress import progress_bar
from wenliu.simulate import checks
from wenliu.simulate.events import NEW_LABEL, Event
from wenliu.simulate.registry_database import RegistryDatabase
from wenliu.simulate.sandbox import PROBLEM, Sandbox
from wenliu.simulate.scenario import scenario
from wenliu.simulate.texts import Writer
from wenliu.simulate.truth import TRUTH_ROWS, Truth
from wenliu.simulate.world import World

RESULT = "simulation.json"
PROJECT = "project"
_MORNING = 8


def simulate(source: Path, folder: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """Simulates so many nights and writes ``simulation.json`` and the history of the nights.

    Args:
        source: The project whose configuration is used.
        folder: Where the simulated project and the results go; new or empty.
        count: Nights.
        seed: Of texts and moments; the same nights come again.

    Returns:
        One object a night, with the sentences on what must not be under ``broken``.

    Raises:
        UserError: The folder holds something, or the messages of the bundled problem lack.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(
            "The folder is not empty.", where=str(folder), remedy="name a new one with --folder"
        )
    writer = Writer.of(source, seed)
    labels = [label for label in writer.labels if label != NEW_LABEL]
    truth = Truth(writer.rows(TRUTH_ROWS, labels))
    project = folder / PROJECT
    project.mkdir(parents=True)
    world = World(Sandbox(project, source), writer, labels, seed)
    told: list[dict[str, Any]] = []
    try:
        with progress_bar(count, "nights", unit="night") as bar:
            for number, event in enumerate(scenario(count), start=1):
                told.append(_night(world, truth, number, event))
                if number == count:
                    checks.check_nothing_lost(world)
                write_atomically(folder / RESULT, json.dumps(told, ensure_ascii=False, indent=1))
                bar.set_postfix_str(f"{event.name}: {told[-1]['decision']}")
                bar.update()
                if nights.champion(project, PROBLEM) is None:
                    break  # without a champion no later night can be judged
    finally:
        world.sandbox.close()
    write_history(project, PROBLEM)
    return told


def history_of(folder: Path) -> Path:
    """The page with all nights."""
    return nights.reports(folder / PROJECT, PROBLEM) / PAGE


def forget_data(folder: Path) -> None:
    """Deletes what takes room: data and models; results, pages and logs stay."""
    project = folder / PROJECT
    for path in [*project.glob("data/0[1-7]_*"), *project.glob("data/.*"), project / "mlartifacts"]:
        shutil.rmtree(path, ignore_errors=True)


def _night(world: World, truth: Truth, number: int, event: Event) -> dict[str, Any]:
    """One night and all that must hold after it."""
    world.begin(number)
    began = time.monotonic()
    before = checks.champion_accuracy(world, truth)
    version = nights.champion(world.sandbox.root, PROBLEM)
    event.act(world)
    seconds = time.monotonic() - began
    record = next(iter(world.records()), None)
    decision = str(record.outcome) if record else "off"
    world.expect(
        decision in event.expected, f"the night was {decision}, not {' or '.join(event.expected)}"
    )
    rows = checks.rows_of_the_night(world)
    if record is not None:
        checks.check_rows(world, rows)
        checks.check_records(world, rows)
        checks.check_outcomes_of_files(world)
        checks.check_decision(world, record)
        checks.check_drift(world, record, event.drift)
    after = checks.champion_accuracy(world, truth)
    if decision == "promoted":
        checks.check_promotion(world, before, after)
    checks.check_registry(world, None if decision == "promoted" else world.restored or version)
    checks.check_versions(world)
    # A success at two is fresh at three; on the morning of a night without a run it is stale.
    world.now = world.started + timedelta(hours=_MORNING if event.off else 1)
    status = checks.check_status(world, _status_after(decision))
    return {
        "night": number,
        "event": event.name,
        "expected": " or ".join(event.expected),
        "decision": decision,
        **{name: rows[name] for name in ("rows_in", "kept", "quarantined", "duplicates")},
        "reason": record.reason if record else "",
        "champion": nights.champion(world.sandbox.root, PROBLEM),
        "accuracy": after,
        "aliases": RegistryDatabase(world.sandbox.root).aliases(),
        "drift": record.drift if record else None,
        "status": status,
        "seconds": round(seconds, 1),
        "bytes": checks.bytes_on_disk(world.sandbox.root),
        "broken": world.broken,
    }


def _status_after(decision: str) -> int:
    return {"off": 2, "failed": 1, "killed": 1}.get(decision, 0)
