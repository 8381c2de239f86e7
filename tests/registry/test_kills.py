"""``kill -9`` at random points of promotions and rollbacks."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wenliu import registry_log
from wenliu.champion_folder import what_is_wrong
from wenliu.model_store import ModelStore

SOURCE = Path(__file__).parents[2] / "src"
KILLS = 50

# Imports once; each round is a process of its own all the same, forked from this one.
ROUNDS = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
import mlflow, sqlalchemy
import wenliu.serving.bundle
from wenliu.registry import Registry
from wenliu.serving.locate import linked
from wenliu.serving.manifest import read_files, read_manifest

project, problem = Path(sys.argv[1]), sys.argv[2]
dice = random.Random(sys.argv[4])
home = project / "data/07_model_output" / problem


def change_for_ever(seed):
    registry, dice = Registry(project, problem), random.Random(seed)
    registry.reconcile()  # as every start does
    Path(project / "ready").touch()
    while True:
        if dice.random() < 0.3 and registry.previous():
            registry.rollback(reason="no")
        else:
            registry.promote(dice.randint(1, 3), "why not")
        named = {*registry.store.aliases().values()}
        for number in {1, 2, 3} - named:  # so that promotions copy, too
            shutil.rmtree(registry.folders.copies / str(number), ignore_errors=True)


for round in range(int(sys.argv[3])):
    (project / "ready").unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            change_for_ever(f"{sys.argv[4]} {round}")
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    while not (project / "ready").exists():
        time.sleep(0.002)
    time.sleep(dice.uniform(0, 0.35))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status)
    champion = linked(home / "champion")
    manifest = read_manifest(champion)
    read_files(champion, manifest, ())
    print(json.dumps({"killed": killed, "served": manifest["content_sha256"]}), flush=True)
"""


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def killed_at(monkeypatch, k, change):
    """Runs ``change`` and stops it at its k-th step; whether it got that far."""
    steps = 0

    def counted(function):
        def step(*arguments, **more):
            nonlocal steps
            steps += 1
            if steps == k:
                raise Killed
            return function(*arguments, **more)

        return step

    with monkeypatch.context() as patch:
        for owner, name in (
            (ModelStore, "set_alias"),
            (ModelStore, "tag"),
            (ModelStore, "tag_model"),
            (Path, "replace"),
            (Path, "rename"),
            (Path, "symlink_to"),
            (shutil, "copyfile"),
            (registry_log, "append"),
        ):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        try:
            change()
        except Killed:
            return True
    return False


def test_every_step_of_promotion_and_rollback_may_be_the_last(registry, monkeypatch):
    """Reliability 1: after each there is a whole champion, and the next start mends the rest."""
    registry.promote(1, "the first")
    contents = {one.number: one.sha256 for one in registry.versions()}
    reigned = {1}
    for change, before, after in (
        (lambda: registry.promote(2, "better"), 1, 2),
        (lambda: registry.rollback(reason="no"), 2, 1),
    ):
        steps = 0
        while True:
            for number in {2, 3} - {before}:
                shutil.rmtree(registry.folders.copies / str(number), ignore_errors=True)
            steps += 1
            killed = killed_at(monkeypatch, steps, change)
            served = int(registry.folders.shown("champion").name)
            assert what_is_wrong(registry.folders.shown("champion"), contents[served]) is None
            registry.reconcile()
            champion, previous = registry.champion(), registry.previous()
            assert champion.number in (before, after)
            assert "wenliu.promoted_at" in champion.tags
            assert not {champion.sha256, champion.fingerprint} & registry.blocked().keys()
            assert "wenliu.rolled_back" not in champion.tags
            reigned.add(champion.number)
            assert previous is None or previous.number in reigned, (steps, previous)
            assert int(registry.folders.shown("champion").name) == champion.number
            assert previous is None or previous.number != champion.number
            if not killed:
                break
            if champion.number == after and before == 2:
                registry.promote(2, "again")
            elif champion.number == after:
                registry.rollback(reason="again")
        assert steps > 7


@pytest.mark.slow
def test_the_champion_loads_after_every_kill(registry):
    """Reliability 1, promote: at any moment there is a whole champion; then all names agree."""
    registry.promote(1, "the first")
    contents = {one.sha256 for one in registry.versions()}
    seed = random.randrange(10**6)
    result = subprocess.run(
        [sys.executable, "-c", ROUNDS, registry.project, registry.problem, str(KILLS), str(seed)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, (seed, result.stderr[-2000:])
    rounds = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rounds) == KILLS and all(one["killed"] for one in rounds), (seed, result.stderr)
    assert {one["served"] for one in rounds} <= contents
    registry.reconcile()
    champion, previous = registry.champion(), registry.previous()
    assert what_is_wrong(registry.folders.shown("champion"), champion.sha256) is None
    assert previous is None or previous.number != champion.number
    assert [path.name for path in registry.folders.copies.glob(".*")] == []
