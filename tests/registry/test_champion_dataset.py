"""What the gate is told before it decides, and what becomes of its decision."""

from __future__ import annotations

import shutil

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node

from wenliu.datasets import ChampionDataset
from wenliu.datasets.commit import Lineage
from wenliu.errors import UserError
from wenliu.hooks.reuse import decide
from wenliu.model_store import ModelStore

from .conftest import PROBLEM


@pytest.fixture
def champion(registry):
    return ChampionDataset(str(registry.project), PROBLEM)


def decision(registry, number, verdict="promote", **more):
    return {
        "decision": verdict,
        "reason": "it is better on the gate's rows",
        "unchanged": False,
        "challenger": {"version": number, "sha256": registry.version(number).sha256},
        "gate": {"rows_sha256": "rows", "challenger": {"macro_f1": 0.75}},
        **more,
    }


def test_nobody_reigns_at_first(champion):
    assert champion.load() == {
        "version": None, "folder": None, "sha256": None, "labels": [], "reason": "",
        "best": None, "blocked": {},
    }  # fmt: skip


def test_who_reigns_after_a_promotion(champion, registry):
    champion.save(decision(registry, 1))
    reigning = champion.load()
    assert reigning["version"] == 1
    assert reigning["folder"] == registry.folders.copies / "1"
    assert reigning["sha256"] == registry.version(1).sha256
    assert reigning["labels"] == ["a", "b"]
    assert reigning["reason"] == ""
    assert reigning["best"] == {"version": 1, "gate_macro_f1": 0.75, "gate_rows": "rows"}


def test_who_was_refused_is_the_challenger_with_its_score(champion, registry):
    champion.save(decision(registry, 1))
    champion.save(decision(registry, 2, "refuse", reason="it is worse"))
    assert registry.champion().number == 1
    assert registry.challenger().number == 2
    assert registry.version(2).tags["wenliu.gate_macro_f1"] == "0.75"
    assert registry.version(2).tags["wenliu.decision"] == "refuse: it is worse"


def test_a_decision_that_is_repeated_changes_nothing(champion, registry):
    """Reliability 17: the same again is no promotion."""
    champion.save(decision(registry, 1))
    champion.save(decision(registry, 2))
    entries = registry.log.read_text()
    champion.save(decision(registry, 2))
    champion.save(decision(registry, 2, "refuse", unchanged=True))
    assert registry.log.read_text() == entries
    assert (registry.champion().number, registry.previous().number) == (2, 1)


@pytest.mark.parametrize("same", ["bundle", "data and configuration"])
def test_what_was_rolled_back_is_not_promoted_by_itself(champion, registry, register, same, caplog):
    """Reliability 17."""
    champion.save(decision(registry, 1))
    champion.save(decision(registry, 2))
    rolled_back = registry.version(2)
    registry.rollback(reason="customers complain")
    number = 2
    if same != "bundle":  # trained again from the same, with another seed
        tags = {key: rolled_back.tags[key] for key in ("wenliu.data_sha256", "wenliu.config")}
        number = register("four", **tags)
        assert registry.version(number).sha256 != rolled_back.sha256
    champion.save(decision(registry, number))
    assert registry.champion().number == 1
    assert "customers complain" in caplog.text
    number = register("five", **{"wenliu.data_sha256": "new" * 8, "wenliu.config": "c" * 16})
    champion.save(decision(registry, number))
    assert registry.champion().number == number


def test_a_model_that_was_not_registered_changes_nothing(champion, registry):
    champion.save(decision(registry, 1) | {"challenger": {"version": None, "sha256": "x"}})
    assert registry.champion() is None


def test_a_decision_is_carried_out_once_and_skipped_after(champion, registry):
    """FreshRunner: the same decision while the same version reigns."""
    lineage = Lineage(fingerprint={"code": "c", "inputs": "i", "parameters": "p"})
    assert not champion.reuse(lineage)
    node = Node(lambda decision: decision, "params:decision", "champion", name="promote_challenger")
    catalog = DataCatalog({"params:decision": MemoryDataset({}), "champion": champion})
    assert decide(node, catalog).reason == "this decision is not carried out yet"
    champion.lineage = lineage
    champion.save(decision(registry, 1))
    assert champion.reuse(lineage)
    assert not champion.reuse(Lineage(fingerprint={"code": "other"}))
    before = champion.content()
    registry.promote(2, "by hand")
    assert not champion.reuse(lineage)
    assert champion.content() != before


def lose(registry, number):
    """The version's bundle is nowhere on this machine any more, nor in MLflow."""
    shutil.rmtree(registry.version(number).folder, ignore_errors=True)
    shutil.rmtree(registry.folders.copies / str(number), ignore_errors=True)
    for exported in registry.folders._exported(registry.version(number).sha256):
        shutil.rmtree(exported)


def test_a_champion_whose_bundle_is_lost_is_named_with_the_reason(champion, registry):
    """A night goes on and says so; what becomes of the challenger the gate decides."""
    champion.save(decision(registry, 1))
    before = champion.content()
    lose(registry, 1)
    reigning = champion.load()
    assert (reigning["version"], reigning["folder"], reigning["labels"]) == (1, None, [])
    assert "version 1 is nowhere undamaged" in reigning["reason"]
    assert champion.content() != before


def test_an_alias_that_somebody_removed_promotes_nobody_in_silence(champion, registry, caplog):
    """No alias is not 'no champion': the old one serves, and nobody has compared with it."""
    champion.save(decision(registry, 1))
    before = champion.content()
    registry.store.set_alias("champion", None)
    reigning = champion.load()
    assert (reigning["version"], reigning["folder"]) == (None, None)
    assert "version 1 goes on serving" in reigning["reason"]
    assert "wenliu promote" in reigning["reason"]
    assert champion.content() != before
    champion.save(decision(registry, 2))
    assert registry.champion() is None
    assert registry.folders.shown("champion").name == "1"
    assert "Version 2 is not promoted by itself: MLflow names no champion" in caplog.text
    registry.promote(1, "it was the champion")
    assert champion.load()["reason"] == ""
    champion.save(decision(registry, 2))
    assert registry.champion().number == 2


@pytest.mark.parametrize("fails", ["the log", "the note"])
def test_what_cannot_be_noted_after_a_promotion_does_not_undo_it(
    champion, registry, fails, monkeypatch, caplog
):
    if fails == "the log":
        registry.log.mkdir(parents=True)  # a file cannot be opened there, for root neither
    else:

        def fail(self, tags):
            raise UserError("MLflow's registry did not do it")

        monkeypatch.setattr(ModelStore, "tag_model", fail)
    champion.save(decision(registry, 1))
    assert registry.champion().number == 1
    assert ("is not written" if fails == "the log" else "is not noted") in caplog.text
