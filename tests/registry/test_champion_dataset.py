"""What the gate is told before it decides, and what becomes of its decision."""

from __future__ import annotations

import pytest

from wenliu.datasets import ChampionDataset
from wenliu.datasets.commit import Lineage

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
        "version": None, "folder": None, "sha256": None, "labels": [], "best": None, "blocked": {},
    }  # fmt: skip


def test_who_reigns_after_a_promotion(champion, registry):
    champion.save(decision(registry, 1))
    reigning = champion.load()
    assert reigning["version"] == 1
    assert reigning["folder"] == registry.folders.copies / "1"
    assert reigning["sha256"] == registry.version(1).sha256
    assert reigning["labels"] == ["a", "b"]
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
    champion.lineage = lineage
    champion.save(decision(registry, 1))
    assert champion.reuse(lineage)
    assert not champion.reuse(Lineage(fingerprint={"code": "other"}))
    before = champion.content()
    registry.promote(2, "by hand")
    assert not champion.reuse(lineage)
    assert champion.content() != before
