"""Who is the champion, who was, and what does not come back by itself."""

from __future__ import annotations

import json
import logging
import shutil

import pytest

from wenliu import registry_log
from wenliu.champion_folder import what_is_wrong
from wenliu.errors import UserError
from wenliu.lock import problem_lock
from wenliu.registry import Registry


def numbers(registry):
    names = registry.champion(), registry.previous(), registry.challenger()
    return tuple(one.number if one else None for one in names)


def shown(registry, name="champion"):
    folder = registry.folders.shown(name)
    return folder and int(folder.name)


def test_without_a_store_there_is_no_champion_and_nothing_to_reconcile(tmp_path):
    registry = Registry(tmp_path, "tickets")
    assert numbers(registry) == (None, None, None)
    assert registry.reconcile() == []
    assert registry.best() is None
    assert registry.blocked() == {}
    assert not list(tmp_path.iterdir())


def test_a_promotion_moves_both_aliases_and_both_links(registry):
    """Decisions: previous := champion, champion := new."""
    registry.promote(1, "the first")
    registry.promote(2, "better")
    assert numbers(registry) == (2, 1, None)
    assert (shown(registry), shown(registry, "previous")) == (2, 1)
    assert what_is_wrong(registry.folders.shown("champion"), registry.version(2).sha256) is None
    entries = registry_log.read(registry.log)
    assert [(e["what"], e["version"], e["before"]) for e in entries] == [
        ("promote", 1, None), ("promote", 2, 1),
    ]  # fmt: skip
    assert entries[1]["reason"] == registry.version(2).tags["wenliu.reason"] == "better"


def test_the_challenger_that_is_promoted_is_no_challenger_any_more(registry):
    registry.promote(1, "the first")
    registry.set_challenger(2, "worse")
    assert numbers(registry) == (1, None, 2)
    registry.promote(2, "after all")
    assert numbers(registry) == (2, 1, None)


def test_a_damaged_bundle_is_not_promoted_and_the_champion_stays(registry):
    registry.promote(1, "the first")
    exported = registry.version(2).folder
    (exported / "model.onnx").write_bytes(b"model.onnx of tw0")
    with pytest.raises(UserError, match="nowhere undamaged"):
        registry.promote(2, "better")
    assert numbers(registry) == (1, None, None)
    assert shown(registry) == 1


def test_a_rollback_swaps_back_and_blocks_the_content(registry):
    """Reliability 17: the same data and configuration are not promoted again by themselves."""
    for number in (1, 2, 3):
        registry.promote(number, "better")
    bad = registry.champion()
    assert registry.rollback(reason="customers complain").number == 2
    # What consumers fall back to is never what was rolled back.
    assert numbers(registry) == (2, 1, None)
    assert (shown(registry), shown(registry, "previous")) == (2, 1)
    blocked = registry.blocked()
    assert set(blocked) == {bad.sha256, bad.fingerprint}
    assert "customers complain" in blocked[bad.sha256]
    assert registry.rollback(reason="that one too").number == 1
    with pytest.raises(UserError, match="no champion before version 1"):
        registry.rollback()


def test_by_hand_it_may_come_back_and_is_blocked_no_more(registry):
    registry.promote(1, "the first")
    registry.promote(2, "better")
    registry.rollback(reason="looked bad")
    registry.promote(2, "it was the data")
    assert numbers(registry) == (2, 1, None)
    assert registry.blocked() == {}
    assert "wenliu.rolled_back" not in registry.version(2).tags


def test_a_rollback_to_a_version(registry):
    for number in (1, 2, 3):
        registry.promote(number, "better")
    assert registry.rollback(to=1, reason="the last good one").number == 1
    assert numbers(registry) == (1, 2, None)
    with pytest.raises(UserError, match="is the champion already"):
        registry.rollback(to=1)
    with pytest.raises(UserError, match="no version 9") as error:
        registry.rollback(to=9)
    assert "3, 2, 1" in error.value.remedy


def test_the_best_is_of_the_same_rows_and_was_not_rolled_back(registry):
    for number, score, rows in ((1, 0.9, "old"), (2, 0.7, "new"), (3, 0.8, "new")):
        tags = {"wenliu.gate_macro_f1": str(score), "wenliu.gate_rows": rows}
        registry.store.tag(number, tags)
        registry.promote(number, "better")
    assert registry.best() == {"version": 3, "gate_macro_f1": 0.8, "gate_rows": "new"}
    assert registry.best("old")["version"] == 1
    assert registry.best("other") is None
    registry.rollback(reason="no")
    assert registry.best()["version"] == 2


def test_the_folder_follows_an_alias_that_was_moved_without_it(registry):
    """A crash between the two steps, or somebody in MLflow's page: the alias is the truth."""
    registry.promote(1, "the first")
    registry.store.set_alias("champion", 2)
    registry.store.set_alias("previous", 1)
    assert shown(registry) == 1
    assert any("version 2" in sentence for sentence in registry.reconcile())
    assert (shown(registry), shown(registry, "previous")) == (2, 1)
    assert registry.reconcile() == []


@pytest.mark.parametrize("lost", ["champion", "champions", "both"])
def test_a_folder_that_is_gone_is_made_again(registry, lost):
    registry.promote(1, "the first")
    if lost != "champions":
        (registry.folders.home / "champion").unlink()
    if lost != "champion":
        shutil.rmtree(registry.folders.copies)
    assert shown(registry) is None
    assert registry.reconcile()
    assert shown(registry) == 1


def test_a_tampered_champion_is_made_again_from_the_export(registry, caplog):
    """Reliability 18: one flipped byte of the champion does not outlive the next start."""
    registry.promote(1, "the first")
    model = registry.folders.shown("champion") / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"X")
    registry.reconcile()
    folder = registry.folders.shown("champion")
    assert what_is_wrong(folder, registry.version(1).sha256) is None
    assert "made again" in caplog.text


def test_a_champion_that_cannot_be_mended_stays_and_is_named(registry, caplog):
    registry.promote(1, "the first")
    registry.promote(2, "better")
    shutil.rmtree(registry.folders.home / "bundle")
    (registry.folders.shown("champion") / "model.onnx").write_bytes(b"x")
    registry.reconcile()
    assert shown(registry) == 2
    assert "The folder 'champion' stays" in caplog.text


def test_a_rollback_that_was_cut_off_between_the_aliases_is_completed(registry, monkeypatch):
    for number in (1, 2, 3):
        registry.promote(number, "better")
    monkeypatch.setattr(registry, "_name_previous", lambda version: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registry.rollback(reason="no")
    assert numbers(registry) == (2, 2, None)
    again = Registry(registry.project, registry.problem)
    assert again.reconcile()
    assert numbers(again) == (2, 1, None)
    assert (shown(again), shown(again, "previous")) == (2, 1)


def test_no_alias_but_a_folder_is_a_warning_and_it_goes_on_serving(registry, caplog):
    registry.promote(1, "the first")
    registry.store.set_alias("champion", None)
    with caplog.at_level(logging.WARNING):
        assert registry.reconcile() == []
    assert shown(registry) == 1
    assert "names no champion" in caplog.text


def test_a_folder_put_there_by_hand_is_kept_aside(registry):
    by_hand = registry.folders.home / "champion"
    by_hand.mkdir(parents=True)
    (by_hand / "note.txt").write_text("mine")
    registry.promote(1, "the first")
    assert shown(registry) == 1
    assert (registry.folders.home / "champion.replaced-by-1" / "note.txt").read_text() == "mine"


def test_a_version_with_an_alias_is_not_deleted(registry):
    """Decisions: deleting the champion in MLflow drops the alias without a word."""
    registry.promote(1, "the first")
    with pytest.raises(UserError, match="is the champion"):
        registry.delete(1)
    assert numbers(registry)[0] == 1
    registry.delete(2)
    assert [one.number for one in registry.versions()] == [3, 1]


def test_changes_wait_for_no_run_and_name_it(registry, monkeypatch, capsys):
    """Reliability 3: a promotion while a run is going on leaves with 75."""
    with problem_lock(registry.project, registry.problem, "kedro run"):
        monkeypatch.setattr("wenliu.lock._held", set())  # as another process
        with pytest.raises(SystemExit) as left:
            registry.promote(1, "the first")
    assert left.value.code == 75
    assert "kedro run, process" in capsys.readouterr().err
    assert numbers(registry) == (None, None, None)


def test_a_cut_off_line_of_the_log_hides_no_other(registry):
    registry.promote(1, "the first")
    with registry.log.open("a") as file:
        file.write('{"what": "prom')
    registry.promote(2, "better")
    assert [entry["version"] for entry in registry_log.read(registry.log)] == [1, 2]
    assert all(json.loads(line) for line in registry.log.read_text().splitlines()[::2])


def test_a_server_that_is_gone_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="MLflow does not answer"):
        Registry(tmp_path, "tickets").promote(1, "x")


def lose(registry, number):
    """The version's bundle is nowhere on this machine any more, nor in MLflow."""
    sha256 = registry.version(number).sha256
    for folder in [*registry.folders._exported(sha256), registry.folders.copies / str(number)]:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_champion_whose_bundle_is_lost_can_be_replaced(registry, caplog):
    registry.promote(1, "the first")
    lose(registry, 1)
    registry.promote(2, "the first is gone")
    assert numbers(registry) == (2, 1, None)
    assert (shown(registry), shown(registry, "previous")) == (2, None)
    assert not (registry.folders.home / "previous").is_symlink()
    assert "There is no folder 'previous'" in caplog.text
    assert registry.reconcile() == []
    registry.promote(3, "better")
    assert (shown(registry), shown(registry, "previous")) == (3, 2)


def test_a_cut_off_rollback_to_a_lost_bundle_is_reconciled_all_the_same(registry):
    for number in (1, 2, 3):
        registry.promote(number, "better")
    registry.store.set_alias("previous", 3)
    lose(registry, 2)
    assert registry.reconcile()
    assert numbers(registry) == (3, 2, None)
    assert (shown(registry), shown(registry, "previous")) == (3, None)


def test_files_that_mlflow_has_lost_are_a_lost_bundle(registry, tmp_path):
    """Its repository says so by an exception of its own, not by an OSError."""
    gone = (tmp_path / "gone").as_uri()
    registry.store.client.create_model_version("tickets", gone, tags={"bundle_sha256": "f" * 64})
    assert registry.store.download(4) is None
    with pytest.raises(UserError, match="nowhere undamaged"):
        registry.promote(4, "try")


def test_who_is_chosen_again_by_a_rollback_is_not_called_rolled_back(registry):
    """Reliability 17: the block is of what was rolled back, not of what serves."""
    for number in (1, 2):
        registry.promote(number, "better")
    registry.rollback(reason="looked bad")
    registry.promote(3, "better")
    registry.rollback(to=2, reason="it was the best after all")
    assert "wenliu.rolled_back" not in registry.version(2).tags
    assert set(registry.blocked()) == {registry.version(3).sha256, registry.version(3).fingerprint}
    registry.promote(1, "and back")
    assert registry.rollback(reason="no").number == 2


def test_a_rollback_that_was_cut_off_at_once_leaves_no_blocked_champion(registry, monkeypatch):
    for number in (1, 2):
        registry.promote(number, "better")
    monkeypatch.setattr(registry, "_crown", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registry.rollback(reason="no")
    assert registry.blocked()
    again = Registry(registry.project, registry.problem)
    assert "not marked as rolled back" in again.reconcile()[0]
    assert again.blocked() == {}
    assert numbers(again) == (2, 1, None)
    assert again.rollback(reason="no").number == 1


def test_who_was_made_champion_in_mlflow_counts_as_promoted(registry):
    """Else a rollback of the next one would have nowhere to go back to."""
    registry.promote(1, "the first")
    registry.store.set_alias("champion", 2)
    registry.reconcile()
    for number in (3, 1):
        registry.promote(number, "better")
    assert registry.rollback(reason="no").number == 3
    assert numbers(registry) == (3, 2, None)
