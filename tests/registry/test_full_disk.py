"""Promotions and rollbacks on a disk that is full, or breaks, at any operation."""

from __future__ import annotations

import errno
import shutil
from contextlib import suppress

import pytest
from failing_disk import failing_disk

from wenliu.champion_folder import what_is_wrong


def operations(registry, monkeypatch, change):
    """How often ``change`` touches the disk. What SQLite writes in C is not counted."""
    with failing_disk(registry.project, None, monkeypatch) as disk:
        change()
    return disk.count


def fails_at(registry, monkeypatch, k, code, change):
    """Runs ``change`` with its k-th operation failing; the champion must load all the same."""
    with failing_disk(registry.project, k, monkeypatch, code) as disk, suppress(OSError):
        change()
    assert disk.failed
    folder = registry.folders.shown("champion")
    assert folder is not None, (k, disk.failed)
    sha256 = registry.version(int(folder.name)).sha256
    assert what_is_wrong(folder, sha256) is None, (k, disk.failed)
    return int(folder.name)


def forget(registry, *numbers):
    """So that the next change copies."""
    for number in numbers:
        shutil.rmtree(registry.folders.copies / str(number))


def names(registry):
    shown = (registry.folders.shown(name) for name in ("champion", "previous"))
    aliases = registry.store.aliases()
    return (aliases["champion"], aliases.get("previous")), [int(one.name) for one in shown]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_a_promotion_that_fails_anywhere_succeeds_the_next_time(registry, monkeypatch, code):
    """Reliability 2: the k-th write, fsync or rename of a promotion fails, for every k."""
    registry.promote(1, "the first")
    registry.promote(2, "better")
    count = operations(registry, monkeypatch, lambda: registry.promote(3, "better"))
    assert count > 15
    for k in range(1, count + 1):
        registry.promote(2, "back")
        forget(registry, 3)
        served = fails_at(registry, monkeypatch, k, code, lambda: registry.promote(3, "better"))
        assert served in (2, 3)
        registry.promote(3, "the next try")
        assert names(registry) == ((3, 2), [3, 2]), k
        assert "wenliu.promoted_at" in registry.version(3).tags


def test_a_rollback_that_fails_anywhere_is_done_or_can_be_done(registry, monkeypatch):
    """Reliability 2: the k-th write, fsync or rename of a rollback fails, for every k."""
    for number in (1, 2, 3):
        registry.promote(number, "better")
    forget(registry, 2)
    count = operations(registry, monkeypatch, lambda: registry.rollback(reason="no"))
    for k in range(1, count + 1):
        registry.promote(3, "back")
        forget(registry, 2)
        served = fails_at(
            registry, monkeypatch, k, errno.ENOSPC, lambda: registry.rollback(reason="no")
        )
        assert served in (2, 3)
        registry.reconcile()  # as the next start does
        if registry.champion().number == 3:
            registry.rollback(reason="the next try")
        assert names(registry) == ((2, 1), [2, 1]), k
