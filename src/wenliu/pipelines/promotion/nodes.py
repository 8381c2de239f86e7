"""Nodes of promotion: test both bundles, let both answer, decide, show, promote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wenliu.frames import Table
from wenliu.params import ModelParams, PromotionParams
from wenliu.parts import Parts


def check_bundles(bundle: Path, reigning_champion: dict) -> dict[str, Any]:
    """Loads each bundle in a fresh process and predicts with it.

    Returns:
        ``challenger`` and ``champion`` (None where there is none), as
        :func:`wenliu.serving.self_test.self_test` answers. A champion whose bundle is lost fails.
    """
    from wenliu.pipelines.promotion.champion import examine_champion
    from wenliu.serving.self_test import self_test

    return {"challenger": self_test(bundle), "champion": examine_champion(reigning_champion)}


def answer_gate_rows(
    bundle: Path,
    reigning_champion: dict,
    self_tests: dict,
    label_map: dict,
    audited_examples: Table | Parts,
) -> Table:
    """What both models say of the gate, audit and fresh rows, from raw text.

    A model that failed its self test is not asked: its answers stay empty, and without a
    challenger's there are no rows.
    """
    from wenliu.pipelines.promotion.scoring import answer_rows

    folders = {"challenger": bundle, "champion": reigning_champion["folder"]}
    asked = {
        name: folders[name] for name, tested in self_tests.items() if tested and tested["passed"]
    }
    return answer_rows(
        asked.get("challenger"), asked.get("champion"), label_map["labels"], audited_examples
    )


def decide_promotion(
    gate_predictions: Table | Parts,
    self_tests: dict,
    reigning_champion: dict,
    registered_model: dict,
    label_map: dict,
    audited_examples: Table | Parts,
    frozen_sets: dict,
    drift_report: dict,
    finetuning_report: dict,
    training_history: list,
    export_report: dict,
    params: PromotionParams,
    model_params: ModelParams,
) -> dict[str, Any]:
    """Five groups of checks, and the decision that follows from them.

    Returns:
        The record ``decision``: ``decision`` (promote or refuse), ``unchanged`` (the challenger is
        the champion), ``reason``, ``groups``, both models, the figures of ``gate``, ``audit`` and
        ``fresh``, ``slices``, ``flips`` and ``changes``.
    """
    import numpy as np

    from wenliu.pipelines.promotion import quality, verdict
    from wenliu.pipelines.promotion.contest import read_contest
    from wenliu.pipelines.promotion.data import data_group
    from wenliu.pipelines.promotion.flips import find_flips
    from wenliu.pipelines.promotion.frozen_rows import count_frozen_rows
    from wenliu.pipelines.promotion.infrastructure import infrastructure_group
    from wenliu.pipelines.promotion.slices import compare_slices, slices_group
    from wenliu.pipelines.promotion.training import training_group

    challenger, champion = verdict.describe_models(self_tests, registered_model, reigning_champion)
    known = champion["labels"] if champion else None
    contest = read_contest(gate_predictions, label_map["labels"], known)
    judged = np.concatenate([contest.gate.forms, contest.audit.forms])
    frozen_rows = count_frozen_rows(audited_examples, judged, frozen_sets)
    seed = model_params.seed
    facts = quality.score_gate(contest, params, seed)
    slices = compare_slices(contest, params)
    groups = [
        data_group(contest, frozen_rows, drift_report, params),
        training_group(finetuning_report, training_history),
        infrastructure_group(
            self_tests, export_report, registered_model, reigning_champion["blocked"]
        ),
        quality.quality_group(facts, contest, reigning_champion["best"], params, seed),
        slices_group(slices, contest, params),
    ]
    unchanged = verdict.is_unchanged(challenger, champion)
    promoted = not unchanged and all(group.passed for group in groups)
    return {
        "decision": "promote" if promoted else "refuse",
        "unchanged": unchanged,
        "strategy": params.strategy,
        "confidence": params.confidence,
        "reason": verdict.give_reason(groups, facts, challenger, champion),
        "groups": [group.to_dict() for group in groups],
        "champion": champion,
        "challenger": challenger,
        "gate": facts,
        "audit": quality.score_set(contest.audit, contest, params, seed),
        "fresh": quality.score_set(contest.fresh, contest, params, seed),
        "slices": slices,
        "flips": find_flips(contest, params.flips),
        "changes": verdict.list_changes(contest, challenger, champion, drift_report),
    }


def render_decision(decision: dict) -> str:
    """The record as one HTML page."""
    from wenliu.pipelines.promotion.page import decision_page

    return decision_page(decision)


def promote_challenger(decision: dict) -> dict[str, Any]:
    """Hands the decision to the registry, which moves its aliases where it says promote."""
    return decision
