"""What is kept and what goes."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu import clock
from wenliu.datasets.commit import Lineage, commit
from wenliu.model_store import Version
from wenliu.registry import Registry
from wenliu.retention import LAST, WEEKS, describe, kept_versions, prune
from wenliu.stored_versions import incomplete_versions, stored_versions

from .conftest import PROBLEM, write_bundle

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


def version(number, days):
    return Version(number, f"sha{number}", {}, NOW - timedelta(days=days), None, "")


def test_a_year_of_nights_keeps_the_last_seven_and_one_a_week():
    """Decisions: aliased, last 7, one a week for 8 weeks."""
    versions = [version(number, 365 - number) for number in range(1, 366)]
    kept = kept_versions(versions, {3, 100}, NOW)
    assert {3, 100} <= kept
    assert set(range(359, 366)) <= kept
    # The rest are the newest of their calendar weeks, none older than eight weeks.
    weekly = kept - {3, 100} - set(range(359, 366))
    assert len(weekly) <= WEEKS
    assert all(365 - number < 7 * WEEKS for number in weekly)
    assert len(kept) <= 2 + LAST + WEEKS + 1


@given(
    st.lists(st.floats(0, 400), min_size=1, max_size=40),
    st.sets(st.integers(1, 40), max_size=3),
)
def test_whatever_the_ages_the_named_and_the_newest_stay(days, named):
    """Reliability 12: aliased versions are never deleted, and what stays is bounded."""
    versions = [version(number, age) for number, age in enumerate(sorted(days, reverse=True), 1)]
    numbers = {one.number for one in versions}
    kept = kept_versions(versions, named, NOW)
    assert named & numbers <= kept <= numbers
    assert set(sorted(numbers)[-LAST:]) <= kept
    assert len(kept - named) <= LAST + WEEKS + 1
    # Pruning again deletes nothing more.
    left = [one for one in versions if one.number in kept]
    assert kept_versions(left, named & numbers, NOW) == kept


class Nights:
    """Versions as nights leave them: tokens -> model -> bundle, and a report."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.data = registry.project / "data"

    def folder(self, layer, artefact, run):
        return self.data / layer / PROBLEM / artefact / run

    def save(self, layer, artefact, run, node, inputs, write):
        commit(self.folder(layer, artefact, run), write, Lineage(run, node, inputs))

    def night(self, day, tokens=None, **tags):
        """A night that trains; ``tokens``: it reuses those of an earlier one."""
        run = f"2026-10-{day:02}T02.00.00.000Z"
        if tokens is None:
            tokens = run
            big = lambda folder: (folder / "part").write_bytes(os.urandom(1000))  # noqa: E731
            self.save("05_model_input", "token_ids", run, "tokenize", {}, big)
        one = {"token_ids": tokens}
        self.save("06_models", "model", run, "fit", one, _text("model", run))
        self.save("06_models", "training_history", run, "fit", one, _text("history", run))
        bundle = self.folder("07_model_output", "bundle", run)
        self.save(
            "07_model_output", "bundle", run, "build_bundle", {"model": run},
            lambda folder: write_bundle(folder / "bundle", run) and None,
        )  # fmt: skip
        self.save("08_reporting", "export_report", run, "verify", {"bundle": run}, _text("r", run))
        sha256 = json.loads((bundle / "bundle/manifest.json").read_text())["content_sha256"]
        client = self.registry.store.client
        if not self.registry.store.versions():
            client.create_registered_model(PROBLEM)
        created = datetime(2026, 10, day, 3, tzinfo=UTC).isoformat()
        tags = {"bundle_sha256": sha256, "wenliu.created_at": created, **tags}
        client.create_model_version(PROBLEM, str(bundle / "bundle"), tags=tags)
        return run


def _text(name, text):
    return lambda folder: (folder / f"{name}.txt").write_text(text) and None


def age(folder, hours=48):
    """As if nobody had touched it since."""
    at = clock.now().timestamp() - hours * 3600
    os.utime(folder, (at, at))


@pytest.fixture
def nights(bare_project, monkeypatch):
    monkeypatch.setenv("WENLIU_CLOCK", "2026-10-31T04:00:00+00:00")
    return Nights(Registry(bare_project, PROBLEM))


def names(nights, artefact):
    project = nights.registry.project
    return {one.name for one in stored_versions(project, PROBLEM) if one.artefact == artefact}


def test_what_a_kept_model_descends_from_stays_and_the_rest_goes(nights):
    """Reliability 12: bounded disk, and the champion of the first night is whole in the last."""
    registry = nights.registry
    runs = [nights.night(1)]
    registry.promote(1, "the first")
    runs += [nights.night(day) for day in range(2, 21)]
    would = prune(registry.project, PROBLEM, dry_run=True)
    assert len(names(nights, "bundle")) == 20 and len(registry.versions()) == 20
    assert would.dry_run and "would go" in describe(would)
    pruned = prune(registry.project, PROBLEM)
    assert [item.what for item in would.items] == [item.what for item in pruned.items]
    assert pruned.bytes == would.bytes > 0
    # 1 is the champion; 4, 11 and 18 are the last of their weeks; 14 to 20 the last seven.
    assert {one.number for one in registry.versions()} == {1, 4, 11, *range(14, 21)}
    assert pruned.kept == (20, 19, 18, 17, 16, 15, 14, 11, 4, 1)
    kept = {runs[number - 1] for number in pruned.kept}
    for artefact in ("token_ids", "model", "training_history", "bundle", "export_report"):
        assert names(nights, artefact) == kept, artefact
    assert registry.champion().number == 1
    assert not prune(registry.project, PROBLEM).items


def test_a_reused_ancestor_stays_as_long_as_what_was_made_from_it(nights):
    first = nights.night(1)
    for day in range(2, 12):
        nights.night(day, tokens=first)
    prune(nights.registry.project, PROBLEM)
    assert names(nights, "token_ids") == {first}


def test_a_file_with_two_names_is_counted_once_and_only_when_both_go(nights):
    run = nights.night(1)
    part = nights.folder("05_model_input", "token_ids", run) / "part"
    other = nights.registry.project / "data/.memo/kept"
    other.parent.mkdir(parents=True)
    os.link(part, other)
    for day in range(2, 15):
        nights.night(day)
    listed = {i.what: i.bytes for i in prune(nights.registry.project, PROBLEM, dry_run=True).items}
    assert listed[f"token_ids of {run}"] < 1000  # its marker only
    second = f"token_ids of {run.replace('10-01', '10-02')}"
    assert listed[second] > 1000


def test_a_deletion_that_was_cut_off_leaves_nothing_that_is_loaded(nights, monkeypatch):
    """Reliability 1, prune: the marker goes before the files."""
    for day in range(1, 15):
        nights.night(day)
    before = names(nights, "model")
    calls = 0

    def killed(folder, ignore_errors=False):
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        prune(nights.registry.project, PROBLEM)
    monkeypatch.undo()
    os.environ["WENLIU_CLOCK"] = "2026-10-31T04:00:00+00:00"
    assert calls == 1
    lost = [
        folder
        for folder in nights.data.glob(f"0*/{PROBLEM}/*/2026*")
        if not (folder / "COMPLETE.json").exists()
    ]
    assert len(lost) == 1 and any(lost[0].iterdir())
    age(lost[0])
    prune(nights.registry.project, PROBLEM)
    assert not lost[0].exists()
    assert names(nights, "model") < before


def test_copies_of_earlier_champions_go_and_the_two_that_serve_stay(nights):
    registry = nights.registry
    for day in (1, 2, 3):
        nights.night(day)
        registry.promote(day, "better")
    prune(registry.project, PROBLEM)
    assert {path.name for path in registry.folders.copies.iterdir()} == {"2", "3"}
    assert registry.rollback(to=1, reason="both are bad").number == 1


def test_the_best_stays_although_it_has_no_name(nights):
    registry = nights.registry
    score = {"wenliu.gate_rows": "rows"}
    nights.night(1, **score, **{"wenliu.gate_macro_f1": "0.9"})
    registry.promote(1, "the first")
    for day in range(2, 16):
        nights.night(day, **score, **{"wenliu.gate_macro_f1": "0.8"})
    for number in (14, 15):
        registry.promote(number, "newer data")
    prune(registry.project, PROBLEM)
    assert registry.best()["version"] == 1


def test_without_mlflow_nothing_is_deleted(nights, monkeypatch):
    from wenliu.errors import UserError

    for day in range(1, 12):
        nights.night(day)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="MLflow does not answer"):
        prune(nights.registry.project, PROBLEM)
    assert len(names(nights, "bundle")) == 11


def test_what_holds_no_versions_is_nobodys_remains_however_old(nights):
    """Reliability 12: champions, grown checkpoints and workspaces bear no markers."""
    registry = nights.registry
    for day in (1, 2):
        nights.night(day)
        registry.promote(day, "better")
    grown = nights.folder("06_models", "grown", "20260801T020000Z")
    workspace = nights.folder("06_models", "workspace", "1f" * 20)
    kept_back = nights.folder("06_models", "workspace", "2026-10-01T02.00.00.000Z")
    by_hand = nights.folder("06_models", "downloads", "2026-bert-base")
    shown = [registry.folders.copies / "1", registry.folders.copies / "2"]
    ours = (grown, workspace, kept_back, by_hand)
    for folder in ours:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"x")
    for folder in (*ours, *shown):
        age(folder, hours=24 * 400)
    assert not prune(registry.project, PROBLEM).items
    assert all(any(folder.iterdir()) for folder in (*ours, *shown))
    assert registry.folders.shown("champion").name == "2"


@pytest.mark.parametrize("name", ["2026-10-01T02.00.00.000Z", ".2026-10-01T02.00.00.000Z.4711"])
def test_remains_of_a_killed_save_go_after_a_day_by_the_nights_clock(nights, name):
    folder = nights.folder("05_model_input", "token_ids", name)
    folder.mkdir(parents=True)
    project = nights.registry.project
    age(folder, hours=23)
    assert incomplete_versions(project, PROBLEM) == []
    age(folder, hours=25)
    assert incomplete_versions(project, PROBLEM) == [folder]


def test_on_a_full_disk_room_is_made_before_mlflow_writes(nights, monkeypatch):
    """Reliability 2: SQLite cannot delete a row where there is no room for its journal."""
    from wenliu.errors import UserError
    from wenliu.model_store import ModelStore

    for day in range(1, 15):
        nights.night(day)

    def full(self, version):
        raise UserError("MLflow's registry did not do it: database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ModelStore, "delete", full)
        with pytest.raises(UserError, match="disk is full"):
            prune(nights.registry.project, PROBLEM)
    left = prune(nights.registry.project, PROBLEM)
    assert len(names(nights, "bundle")) == len(left.kept) < 14
    assert {item.what.split()[0] for item in left.items} == {"model"}
    assert not prune(nights.registry.project, PROBLEM).items
