"""``wenliu promote``, ``rollback`` and ``prune``, as somebody types them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wenliu.champion_folder import what_is_wrong

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def project(registry):
    """The folders that make it a project."""
    (registry.project / "pyproject.toml").write_text('package_name = "wenliu"')
    (registry.project / "conf/base").mkdir(parents=True)
    (registry.project / "conf/base/globals.yml").write_text(f"problem: {registry.problem}\n")
    return registry.project


def wenliu(project, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [sys.executable, "-m", "wenliu", *arguments],
        cwd=project,
        env={**environment, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_rollback_takes_five_seconds_and_verifies_the_checksum(project, registry):
    """Reliability 17: of a process that starts from nothing."""
    registry.promote(1, "the first")
    registry.promote(2, "better")
    copied = registry.folders.copies / "1" / "model.onnx"
    copied.write_bytes(copied.read_bytes()[:-1] + b"X")  # it is not just looked at
    started = time.monotonic()
    done = wenliu(project, "rollback", "--reason", "customers complain")
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert seconds < 5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), seconds
    assert "Version 1 is the champion of tickets. Version 2" in done.stdout
    assert "not promoted by themselves" in done.stdout
    assert registry.champion().number == 1
    folder = registry.folders.shown("champion")
    assert what_is_wrong(folder, registry.version(1).sha256) is None


def test_what_does_not_serve_is_not_promoted(project, registry):
    """The checksums are right; a fresh process finds that there is no model in it."""
    registry.promote(1, "the first")
    done = wenliu(project, "promote", "2", "--reason", "I think it is better")
    assert done.returncode == 1
    assert "Version 2 does not serve" in done.stderr
    assert "Traceback" not in done.stderr
    assert registry.champion().number == 1


def test_mistakes_are_told_with_what_there_is(project, registry):
    assert (
        "its newest versions: 3, 2, 1" in wenliu(project, "promote", "9", "--reason", "typo").stderr
    )
    assert "no champion to roll back" in wenliu(project, "rollback").stderr
    assert "--reason" in wenliu(project, "promote", "1").stderr


def test_prune_says_when_there_is_nothing_to_do(project):
    done = wenliu(project, "prune", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "nothing that nobody needs" in done.stdout


def test_what_a_cut_off_promotion_has_left_undone_the_same_command_does(project, registry):
    """The alias had moved, the link had not."""
    registry.promote(1, "the first")
    registry.store.set_alias("champion", 2)
    done = wenliu(project, "promote", "2", "--reason", "again")
    assert done.returncode == 0, done.stderr
    assert "follows the registry to version 2" in done.stdout
    assert registry.folders.shown("champion").name == "2"
    done = wenliu(project, "promote", "2", "--reason", "and again")
    assert "already: nothing was changed" in done.stdout
