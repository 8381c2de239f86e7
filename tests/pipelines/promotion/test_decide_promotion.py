from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from wenliu.params import PromotionParams
from wenliu.pipelines.promotion.nodes import decide_promotion, promote_challenger, render_decision

LABELS = ["物流", "质量", "<b>售后</b>"]  # as the night has them


def decide(night, **changed):
    return decide_promotion(**{**night.inputs, **changed})


def failed(decision):
    return [
        check["name"]
        for group in decision["groups"]
        for check in group["checks"]
        if not check["passed"]
    ]


def warned(decision):
    return [c["name"] for g in decision["groups"] for c in g["checks"] if c["warned"]]


def answers_of(night, challenger=None, champion=None, sets=None):
    return night.predictions(
        night.gold,
        night.challenger_ids if challenger is None else challenger,
        night.champion_ids if champion is None else champion,
        sets or night.sets,
    )


def spoiled(night, share, rows=slice(None), seed=3):
    """The challenger's answers, wrong in a further share of some rows."""
    random, worse = np.random.default_rng(seed), night.challenger_ids.copy()
    chosen = np.zeros(len(worse), dtype=bool)
    chosen[rows] = True
    chosen &= random.random(len(worse)) < share
    worse[chosen] = (night.gold[chosen] + 1) % 3
    return worse


def test_a_good_night_promotes_and_the_record_is_plain_json(night):
    decision = decide(night)
    assert decision["decision"] == "promote" and not failed(decision)
    assert json.loads(json.dumps(decision, allow_nan=False)) == decision
    gate = decision["gate"]
    assert gate["rows"] == 2400 and decision["audit"]["rows"] == 500
    assert gate["delta"] == pytest.approx(
        gate["challenger"]["macro_f1"] - gate["champion"]["macro_f1"]
    )
    assert gate["low"] < gate["delta"] < gate["high"] and gate["power"] is None
    assert [group["name"] for group in decision["groups"]] == [
        "data", "training", "infrastructure", "quality", "slices",
    ]  # fmt: skip
    assert promote_challenger(decision) is decision


def test_identical_predictions_differ_by_exactly_nothing_and_pass(night):
    """Reliability 14: identical predictions, Δ = 0 exactly, in any number of rows."""
    for rows in (2400, 60):
        sets = ["gate"] * rows + ["audit"] * (3000 - rows)
        table = answers_of(night, challenger=night.champion_ids, sets=sets)
        decision = decide(night, gate_predictions=table)
        gate = decision["gate"]
        assert (gate["delta"], gate["low"], gate["high"]) == (0.0, 0.0, 0.0)
        assert gate["mcnemar"] == {"fixed": 0, "broken": 0, "p": 1.0}
        assert decision["decision"] == "promote" and not decision["unchanged"]


def test_the_same_content_is_nothing_to_promote(night):
    self_tests = {
        "challenger": night.self_test_of("a" * 64),
        "champion": night.self_test_of("a" * 64),
    }
    export = {**night.inputs["export_report"], "bundle_sha256": "a" * 64}
    table = answers_of(night, challenger=night.champion_ids)
    decision = decide(night, self_tests=self_tests, export_report=export, gate_predictions=table)
    assert decision["unchanged"] and decision["decision"] == "refuse" and not failed(decision)
    assert "nothing to promote" in decision["reason"]


def test_what_changed_since_the_champion_is_listed(night):
    facts = night.self_test_of("c" * 64)["facts"]
    facts |= {"rows": {"train": 4500}, "training": {"epochs": 5, "code": "4d5e6f"}}
    challenger = {**night.self_test_of("c" * 64), "facts": facts}
    self_tests = {**night.inputs["self_tests"], "challenger": challenger}
    assert decide(night, self_tests=self_tests)["changes"] == [
        {"what": "rows that came in last", "before": None, "after": 500},
        {"what": "rows of train", "before": 4000, "after": 4500},
        {"what": "training: epochs", "before": 3, "after": 5},
        {"what": "training: code", "before": "1a2b3c", "after": "4d5e6f"},
    ]


def test_a_worse_model_is_refused_by_its_bound(night):
    decision = decide(night, gate_predictions=answers_of(night, spoiled(night, 0.08)))
    assert decision["decision"] == "refuse" and "against the champion" in failed(decision)
    assert decision["reason"].startswith("Macro-F1 is −")


def test_superior_asks_for_more_than_not_worse(night):
    superior = PromotionParams(strategy="superior", bootstrap=500)
    same = answers_of(night, challenger=night.champion_ids)
    assert decide(night, params=superior)["decision"] == "promote"
    assert failed(decide(night, gate_predictions=same, params=superior)) == ["against the champion"]


def test_few_rows_say_what_a_decision_can_see(night):
    sets = ["gate"] * 800 + ["audit"] * 2200
    noisy = spoiled(night, 0.05)
    noisy = np.where(np.random.default_rng(0).random(3000) < 0.05, night.gold, noisy)
    power = decide(night, gate_predictions=answers_of(night, noisy, sets=sets))["gate"]["power"]
    assert 0.05 < power["equal_passes"] < power["at"]["2000"] < power["at"]["10000"] < 0.95
    assert f"passes in {power['equal_passes']:.0%} of nights" in power["words"]
    assert "800 gate rows" in power["words"] and "2,000 rows" in power["words"]


def test_the_best_ever_bounds_how_far_small_steps_may_lead_down(night):
    gate = decide(night)["gate"]
    score, rows = gate["challenger"]["macro_f1"], gate["rows_sha256"]

    def against(best, gate_rows=rows):
        best = {"version": 3, "gate_macro_f1": best, "gate_rows": gate_rows}
        reigning = {**night.inputs["reigning_champion"], "best": best}
        return failed(decide(night, reigning_champion=reigning))

    assert against(score + 0.009) == []
    assert against(score + 0.011) == ["against the best ever"]
    assert against(score + 0.2, gate_rows="other rows") == []


def test_a_best_on_other_rows_is_not_compared_and_somebody_should_look(night):
    best = {"version": 3, "gate_macro_f1": 0.99, "gate_rows": "other rows"}
    reigning = {**night.inputs["reigning_champion"], "best": best}
    decision = decide(night, reigning_champion=reigning)
    assert decision["decision"] == "promote" and warned(decision) == ["against the best ever"]


def test_gate_rows_are_their_texts_and_golds_whatever_their_ids(night):
    def rows_of(table):
        return decide(night, gate_predictions=table)["gate"]["rows_sha256"]

    table = night.inputs["gate_predictions"]
    place = table.schema.get_field_index("id")
    ids = pa.array([f"renamed.csv:{i + 9}" for i in range(len(table))], pa.string())
    renumbered = table.set_column(place, table.schema.field(place), ids)
    backwards = renumbered.take(np.arange(len(table))[::-1])
    assert rows_of(table) == rows_of(backwards)
    assert rows_of(table) != rows_of(table.slice(1))
    gold = night.gold.copy()
    gold[0] = (gold[0] + 1) % 3
    other = night.predictions(gold, night.challenger_ids, night.champion_ids, night.sets)
    assert rows_of(table) != rows_of(other)


def test_without_a_champion_a_model_must_beat_answering_without_reading(night):
    none = {**night.inputs["reigning_champion"], "version": None, "folder": None, "labels": []}
    self_tests = {"challenger": night.self_test_of("c" * 64), "champion": None}

    def first(challenger):
        table = night.predictions(night.gold, challenger, eval_set=night.sets)
        return decide(night, gate_predictions=table, reigning_champion=none, self_tests=self_tests)

    good = first(night.challenger_ids)
    assert good["decision"] == "promote" and good["champion"] is None and not good["flips"]
    constant = np.zeros_like(night.gold)
    guessed = np.random.default_rng(5).integers(0, 3, night.gold.size)
    for useless in (constant, guessed):
        assert failed(first(useless)) == ["better than chance"]


@pytest.mark.parametrize("labels", [LABELS, []], ids=["fails its self test", "is lost"])
def test_a_champion_that_cannot_be_asked_stays(night, labels):
    """It may still be the better one: the absolute gates are for problems that never had one."""
    silent = {"passed": False, "reason": "it did not answer in time.", "sha256": None, "labels": []}
    table = night.predictions(night.gold, night.challenger_ids, eval_set=night.sets)
    decision = decide(
        night,
        self_tests={**night.inputs["self_tests"], "champion": silent},
        reigning_champion={**night.inputs["reigning_champion"], "labels": labels},
        gate_predictions=table,
    )
    assert failed(decision) == ["the champion serves", "against the champion"]
    assert "(it did not answer in time)" in decision["reason"]
    assert "wenliu promote 7 --reason WHY" in decision["reason"]
    assert decision["champion"]["sha256"] == "a" * 64
    assert "No, the champion stays." in render_decision(decision)


def test_two_models_of_which_nothing_is_known_are_not_the_same(night):
    """The registry lost the champion's name, and the new bundle fails its self test."""
    silent = {"passed": False, "reason": "nobody named it", "sha256": None, "labels": []}
    lost = {"version": None, "folder": None, "sha256": None, "labels": []}
    decision = decide(
        night,
        self_tests={"challenger": silent, "champion": silent},
        reigning_champion={**night.inputs["reigning_champion"], **lost, "reason": "its name"},
        gate_predictions=night.inputs["gate_predictions"].slice(0, 0),
    )
    assert not decision["unchanged"] and "against the champion" in failed(decision)
    assert "the registry names no champion" in render_decision(decision)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["质量", "物流", "<b>售后</b>"], "another order"),
        ([*LABELS, "已删除"], "labels that are gone: 已删除"),
    ],
)
def test_labels_in_another_order_or_lost_are_refused(night, labels, says):
    """Reliability 15: labels in another order: nothing is compared, the champion stays."""
    reigning = {**night.inputs["reigning_champion"], "labels": labels}
    decision = decide(night, reigning_champion=reigning)
    assert failed(decision) == ["labels", "against the champion"] and says in decision["reason"]
    assert "delta" not in decision["gate"]


def test_a_new_label_is_compared_on_the_old_ones_and_reported_by_itself(night):
    grown = [*LABELS, "新类"]
    gold, challenger = night.gold.copy(), night.challenger_ids.copy()
    gold[2390:2450] = challenger[2390:2440] = 3  # ten gate rows, and what follows
    gold[2900:2940] = challenger[2900:2930] = 3  # fresh rows
    challenger[5] = 3
    table = night.predictions(gold, challenger, night.champion_ids, night.sets, grown)
    decision = decide(
        night,
        gate_predictions=table,
        label_map={"labels": grown},
        self_tests={
            "challenger": night.self_test_of("c" * 64, grown),
            "champion": night.self_test_of("a" * 64),
        },
    )
    assert decision["gate"]["compared_rows"] == 2390
    old = [one["name"] for one in decision["slices"] if one["kind"] == "label"]
    assert old == LABELS
    [new] = [c for c in decision["groups"][4]["checks"] if c["name"] == "new label 新类"]
    assert "40 of its 50" in new["words"] and "labels" in warned(decision)
    # One answer with the new label must not count as a class with an F1 of 0.
    assert decision["gate"]["delta"] > 0 and decision["decision"] == "promote"


def later(night, predictions):
    """A night long after a label came: both models know it, and no frozen row has it."""
    grown = [*LABELS, "新类"]
    sha256 = {"challenger": "c" * 64, "champion": "a" * 64}
    return decide(
        night,
        gate_predictions=predictions(grown),
        label_map={"labels": grown},
        self_tests={name: night.self_test_of(sha, grown) for name, sha in sha256.items()},
        reigning_champion={**night.inputs["reigning_champion"], "labels": grown},
    )


def test_a_better_model_may_once_predict_a_label_that_no_gate_row_has(night):
    better = night.challenger_ids.copy()
    better[np.flatnonzero(better != night.gold)[0]] = 3
    decision = later(
        night,
        lambda grown: night.predictions(
            night.gold, better, night.champion_ids, night.sets, labels=grown
        ),
    )
    assert decision["decision"] == "promote" and decision["gate"]["delta"] > 0


def test_a_worse_model_gains_nothing_when_the_champion_predicts_such_a_label(night):
    """By the usual macro-F1 the champion would lose a quarter of its score for one row."""
    worse, champion = spoiled(night, 0.08), night.champion_ids.copy()
    champion[np.flatnonzero(champion != night.gold)[0]] = 3
    decision = later(
        night,
        lambda grown: night.predictions(night.gold, worse, champion, night.sets, labels=grown),
    )
    assert "against the champion" in failed(decision) and decision["gate"]["delta"] < -0.03


def test_a_label_without_gate_rows_is_listed_and_judged_by_its_fresh_rows(night):
    gold, challenger = night.gold.copy(), night.challenger_ids.copy()
    gold[2900:2940] = challenger[2900:2930] = 3  # fresh rows
    challenger[2990] = 3

    def table(grown):
        return night.predictions(gold, challenger, night.champion_ids, night.sets, labels=grown)

    decision = later(night, table)
    [alone] = [one for one in decision["slices"] if one["name"] == "新类"]
    assert alone["rows"] == 0 and alone["champion"] is None and alone["p"] is None
    [said] = [c for c in decision["groups"][4]["checks"] if c["name"] == "label 新类"]
    assert "30 of its 40" in said["words"] and not said["warned"]
    assert "30 of 31 answers" in said["words"]
    assert "no gate rows" in render_decision(decision)
    gold[2900:2940] = 0
    assert "label 新类" in warned(later(night, table))


def test_a_lost_slice_refuses_and_is_named(night):
    rows = np.flatnonzero((night.gold == 1) & (np.arange(3000) < 2400))
    worse = spoiled(night, 0.12, rows)
    mended = np.where(night.gold != 1, night.gold, worse)  # better elsewhere: macro-F1 holds
    decision = decide(night, gate_predictions=answers_of(night, mended))
    assert failed(decision) == ["no slice is lost"]
    assert "label 质量, −" in decision["reason"]
    few = PromotionParams(bootstrap=500, slice_rows=2000)
    assert not failed(decide(night, gate_predictions=answers_of(night, mended), params=few))


def test_the_reason_names_no_file(night):
    """It is told outside, and people name files after whatever is in them."""
    rows = np.arange(0, 2400, 2)  # those of a.csv
    worse = spoiled(night, 0.06, rows)
    worse[1:2400:2] = night.gold[1:2400:2]
    decision = decide(night, gate_predictions=answers_of(night, worse))
    assert failed(decision) == ["no slice is lost"]
    assert "a source, −" in decision["reason"] and "a.csv" not in decision["reason"]
    assert any(one["name"] == "a.csv" for one in decision["slices"])


def test_a_small_loss_of_a_slice_is_tolerated_even_if_it_is_sure(night):
    """Twelve rows of some 800: beyond chance, and less than 2 points."""
    rows = np.flatnonzero(
        (night.gold == 1) & (night.challenger_ids == 1) & (np.arange(3000) < 2400)
    )
    worse = np.where(night.gold != 1, night.gold, night.champion_ids)
    worse[rows[:12]] = 2
    decision = decide(night, gate_predictions=answers_of(night, worse))
    [slice_] = [one for one in decision["slices"] if one["name"] == "质量"]
    assert slice_["p"] < 0.05 and slice_["challenger"] < slice_["champion"]
    assert decision["decision"] == "promote"


def test_frozen_rows_among_the_learned_ones_are_counted_after_normalising(night):
    """Reliability 16: the overlap of frozen rows and training must be 0, after normalising."""
    alone = decide(night, frozen_sets=night.frozen(["门控文本"]))  # a test row, as it should be
    assert not failed(alone)
    decision = decide(night, frozen_sets=night.frozen(["训练文本甲", "train文本乙"]))
    assert failed(decision) == ["frozen rows are unseen"] and "2 rows" in decision["reason"]


def test_a_frozen_text_that_is_gone_is_said(night):
    text = night.inputs["gate_predictions"]["text"][0].as_py()
    assert not warned(decide(night, frozen_sets=night.frozen([text])))
    assert warned(decide(night, frozen_sets=night.frozen([text, "没有了"]))) == [
        "frozen rows are there"
    ]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_never_promoted(night, loss):
    """Reliability 7: NaN in training is never promoted."""
    history = [*night.inputs["training_history"]]
    history[17] = {**history[17], "loss": loss}
    assert failed(decide(night, training_history=history)) == ["finite loss"]


def test_training_that_did_not_train(night):
    history = night.inputs["training_history"]
    grown = [{**row, "loss": 0.5 + row["step"]} for row in history]
    assert failed(decide(night, training_history=grown)) == ["the loss fell"]
    stopped = {**night.inputs["finetuning_report"], "stopped_early": True}
    assert failed(decide(night, training_history=history[:31], finetuning_report=stopped)) == [
        "evaluations"
    ]
    resumed = {**night.inputs["finetuning_report"], "resumed_from": 20}
    [said] = [
        check["words"]
        for check in decide(night, finetuning_report=resumed)["groups"][1]["checks"]
        if check["name"] == "resumed"
    ]
    assert "resumed at step 20" in said
    first = {**night.inputs["finetuning_report"], "best_epoch": 1.0}
    assert warned(decide(night, finetuning_report=first)) == ["evaluations"]


@pytest.mark.parametrize(
    ("name", "change", "check"),
    [
        ("drift_report", {"verdict": "fail", "measures": {
            "length": {"verdict": "fail", "words": "Texts are longer."}}}, "drift"),
        ("registered_model", {"version": None}, "registered"),
        ("reigning_champion", {"blocked": {"c" * 64: "it answered nonsense"}},
         "not rolled back before"),
        ("reigning_champion", {"blocked": {"data-config": "it answered nonsense"}},
         "not rolled back before"),
        ("export_report", {"bundle_sha256": "d" * 64}, "checksum"),
        ("export_report", {"raw_path": {"decided_on": {"same_labels": 0.9, "rows": 300}}},
         "raw text gives evaluation's labels"),
    ],
)  # fmt: skip
def test_each_protection_refuses_by_itself(night, name, change, check):
    decision = decide(night, **{name: {**night.inputs[name], **change}})
    assert failed(decision) == [check] and decision["decision"] == "refuse"


def test_a_rollback_is_named_with_its_reason(night):
    """Reliability 17: what was rolled back is not promoted again by itself."""
    reigning = {**night.inputs["reigning_champion"], "blocked": {"c" * 64: "it answered nonsense"}}
    assert "it answered nonsense" in decide(night, reigning_champion=reigning)["reason"]


def test_a_challenger_that_does_not_serve_is_refused_with_a_record(night):
    broken = {"passed": False, "reason": "no model.onnx", "sha256": None, "labels": []}
    self_tests = {**night.inputs["self_tests"], "challenger": broken}
    table = night.inputs["gate_predictions"].slice(0, 0)
    decision = decide(night, self_tests=self_tests, gate_predictions=table)
    assert decision["decision"] == "refuse" and "self test" in failed(decision)
    assert "Not promoted" in render_decision(decision)


def test_the_page_says_yes_or_no_first_and_escapes_texts(night):
    page = render_decision(decide(night))
    assert page.index("Yes, the new model serves") < page.index("<table")
    assert "<script>alert" not in page and "<b>售后" not in page
    assert "&lt;b&gt;售后&lt;/b&gt;" in page and "Fixed" in page and "<svg" in page
    refused = render_decision(
        decide(night, gate_predictions=answers_of(night, spoiled(night, 0.2)))
    )
    assert "No, the champion stays." in refused and "✗ no" in refused
