"""``wenliu promote`` and ``wenliu rollback``: what somebody decides, with what it is told after."""

from __future__ import annotations

from pathlib import Path

from wenliu.errors import UserError
from wenliu.lock import problem_lock
from wenliu.model_store import Version
from wenliu.project import command
from wenliu.registry import Registry
from wenliu.registry_tags import PROMOTED


def promote_by_hand(
    project: Path, problem: str, version: int, reason: str, wait: float = 0.0
) -> str:
    """Makes a version the champion, whatever the gate says; what was done, for the terminal.

    Args:
        project: Its root.
        problem: As in ``globals.yml``.
        version: Its number in the registry.
        reason: In a sentence.
        wait: Seconds to queue behind a run of the problem.

    Raises:
        UserError: There is no such version, or its bundle does not serve.
    """
    with problem_lock(project, problem, f"wenliu promote {version}", wait):
        registry = Registry(project, problem)
        target, before = registry.version(version), registry.champion()
        if before is not None and before.number == version:
            done = registry.reconcile() or ["nothing was changed"]
            return f"Version {version} is the champion of {problem} already: {'; '.join(done)}."
        _prove(registry, target)
        now = registry.promote(version, reason)
    was = f"version {before.number}" if before else "none"
    return _told(f"Version {version} is the champion of {problem} (before: {was}).", registry, now)


def roll_back(
    project: Path, problem: str, to: int | None = None, reason: str = "", wait: float = 0.0
) -> str:
    """Goes back to an earlier champion; what was done, for the terminal.

    Args:
        project: Its root.
        problem: As in ``globals.yml``.
        to: Number of the version; None: the champion before.
        reason: In a sentence.
        wait: Seconds to queue behind a run of the problem.

    Raises:
        UserError: There is nothing to go back to, or its bundle does not serve.
    """
    with problem_lock(project, problem, "wenliu rollback", wait):
        registry = Registry(project, problem)
        before, target = registry.rollback_target(to)
        if PROMOTED not in target.tags:  # what was the champion has proved that it serves
            _prove(registry, target)
        now = registry.rollback(target.number, reason)
    return _told(
        f"Version {now.number} is the champion of {problem}. Version {before.number} and "
        "models from the same data and configuration are not promoted by themselves any more.",
        registry,
        now,
    )


def _prove(registry: Registry, version: Version) -> None:
    """Loads the version's bundle in a fresh process and asks it for a prediction.

    Raises:
        UserError: It does not serve; the champion stays.
    """
    from wenliu.serving.self_test import self_test

    result = self_test(registry.fill(version))
    if not result["passed"]:
        raise UserError(
            f"Version {version.number} does not serve: {result['reason']}",
            where=str(version.folder),
            remedy="the champion stays; choose another version",
        )


def _told(sentence: str, registry: Registry, champion: Version) -> str:
    folder = registry.folders.shown("champion")
    return (
        f"{sentence}\n\n"
        f"  serves from  {folder}\n"
        f"  checksum     verified, sha256 {champion.sha256[:12]}\n"
        f"  recorded in  {registry.log}\n\n"
        f"Next:\n  {command('wenliu')} predict --text TEXT   (uses it from now on)\n"
        f"  {command('wenliu')} rollback   (undoes a promotion)\n"
    )
