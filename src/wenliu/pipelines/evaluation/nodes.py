"""Predicts, calibrates, scores against a baseline, and reports."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import EvaluationParams, ModelParams
from wenliu.parts import Parts
from wenliu.pipelines.evaluation import findings, scoring, slices, tables
from wenliu.pipelines.evaluation.tables import Rows

logger = logging.getLogger(__name__)


def predict_splits(
    model: Path, token_ids: Table, audited_examples: Table | Parts, params: ModelParams
) -> Table:
    """The model's logits on validation and test rows.

    Raises:
        UserError: When there are no such rows.
    """
    import pyarrow as pa

    from wenliu.training.prediction import predict_logits

    judged = tables.judged_rows(audited_examples)
    if not len(judged):
        raise UserError(
            "There is no validation and no test row to judge the model on.",
            where="split_examples",
            remedy="Give splitting.validation or splitting.test a share above 0.",
        )
    tokens = tables.judged_rows(token_ids)
    tables.check_order(tokens, judged)
    flat, offsets = tables.flat_tokens(tokens)
    logits = predict_logits(model, flat, offsets, device=params.device)
    columns = {name: judged[name].combine_chunks() for name in ("id", "split", "label_id")}
    return pa.table({**columns, "logits": tables.lists(logits)})


def train_baselines(
    audited_examples: Table | Parts,
    words: Table | Parts,
    label_map: dict,
    params: EvaluationParams,
    model_params: ModelParams,
) -> tuple[Table, dict]:
    """Fits both baselines on the rows that the model learned from, and keeps the better one.

    Returns:
        The better one's probabilities on validation and test rows and, out of fold, on training
        rows; and the scores of both. Better means a higher macro-F1 on validation rows.
    """
    from wenliu.pipelines.evaluation.comparison import compare_baselines
    from wenliu.tasks import get_task

    tables.check_order(words, audited_examples)
    return compare_baselines(
        get_task(model_params.task), audited_examples, words, len(label_map["labels"]),
        params.folds, model_params.seed,
    )  # fmt: skip


def calibrate_predictions(
    model_logits: Table | Parts,
    baseline_probabilities: Table | Parts,
    audited_examples: Table | Parts,
) -> tuple[Table, dict]:
    """Joins model and baseline, and fits the temperature on validation rows."""
    from wenliu.metrics import fit_temperature
    from wenliu.schemas import Predictions

    model_logits = Parts.of(model_logits).table()
    judged = tables.judged_rows(audited_examples)
    baseline = tables.judged_rows(baseline_probabilities)
    tables.check_order(model_logits, judged)
    tables.check_order(baseline, judged)
    predictions = model_logits.append_column("leak", judged["leak"].combine_chunks())
    predictions = predictions.append_column("baseline", baseline["probabilities"])
    rows = Rows.of(judged)
    fitted = (rows.split == "validation") & ~rows.dropped
    n_labels = len(model_logits["logits"][0])
    logits = tables.matrix(model_logits["logits"], n_labels)
    temperature = fit_temperature(logits[fitted], rows.label_id[fitted])
    calibration = {
        "method": "temperature",
        "temperature": temperature,
        "fitted_on": "validation",
        "rows": int(fitted.sum()),
    }
    return predictions.select(list(Predictions.columns)), calibration


def score_model(
    predictions: Table | Parts,
    calibration: dict,
    audited_examples: Table | Parts,
    label_map: dict,
    params: EvaluationParams,
    model_params: ModelParams,
) -> tuple[dict, dict]:
    """Scores model and baseline, officially and leak-free, and by slice.

    Official means all test rows; leak-free those without a twin in training as given. Validation
    rows that the audit dropped (their twin is a test row) are not counted.

    Returns:
        ``metrics`` (a few nested numbers, tracked) and ``scores`` (everything).
    """
    from wenliu.progress import track
    from wenliu.tasks import get_task
    from wenliu.text.script import script_of

    task = get_task(model_params.task)
    predictions = Parts.of(predictions).table()
    n_labels = len(label_map["labels"])
    judged = tables.judged_rows(audited_examples)
    tables.check_order(predictions, judged)
    rows = Rows.of(judged)
    logits = tables.matrix(predictions["logits"], n_labels)
    baseline = tables.matrix(predictions["baseline"], n_labels)
    temperature, seed = float(calibration["temperature"]), model_params.seed
    scores: dict[str, Any] = {"temperature": temperature, "sets": {}, "slices": {}}
    of_test = rows.split == "test"
    of_validation = (rows.split == "validation") & ~rows.dropped
    sets = {
        "test": of_test,
        "test_leak_free": of_test & ~rows.leak,
        "validation": of_validation,
        "validation_leak_free": of_validation & ~rows.leak,
    }
    sets = {name: chosen for name, chosen in sets.items() if chosen.any()}
    for name, chosen in track(sets.items(), "scoring", unit="set"):
        scores["sets"][name] = scoring.score_rows(
            task, rows.label_id[chosen], logits[chosen], baseline[chosen], temperature, params,
            seed,
        )  # fmt: skip
    scores["judged_on"] = "test" if "test" in scores["sets"] else "validation"
    chosen = np.flatnonzero((rows.split == scores["judged_on"]) & ~rows.dropped)
    lengths = np.array([len(rows.clean_text[i]) for i in chosen], dtype=np.int64)
    chosen = chosen[np.argsort(lengths, kind="stable")]  # slices come shortest first
    groups = {
        "length": slices.length_slices(np.sort(lengths)),
        "source": slices.source_slices(rows.source[chosen]),
        "script": [script_of(rows.text[i]) for i in chosen],
    }
    for name, group in groups.items():
        scores["slices"][name] = slices.score_slices(
            group, rows.label_id[chosen], logits[chosen].argmax(axis=1),
            baseline[chosen].argmax(axis=1), n_labels, params,
        )  # fmt: skip
    return scoring.headline_metrics(scores), scores


def inspect_labels(
    predictions: Table | Parts,
    baseline_probabilities: Table | Parts,
    calibration: dict,
    audited_examples: Table | Parts,
    label_map: dict,
    params: EvaluationParams,
) -> dict:
    """The most confident errors, and the rows whose label is probably wrong."""
    from wenliu.metrics import softmax

    labels = label_map["labels"]
    predictions = Parts.of(predictions).table()
    judged = Rows.of(tables.judged_rows(audited_examples))
    probabilities = softmax(
        tables.matrix(predictions["logits"], len(labels)), calibration["temperature"]
    )
    baseline = tables.matrix(predictions["baseline"], len(labels))
    judged_on = "test" if (judged.split == "test").any() else "validation"
    found: dict[str, Any] = {
        "judged_on": judged_on,
        "errors": findings.confident_errors(
            judged, np.flatnonzero((judged.split == judged_on) & ~judged.dropped), probabilities,
            baseline, labels, params.errors,
        ),
        "suspects": {},
    }  # fmt: skip
    learned = Rows.of(tables.learned_rows(audited_examples))
    out_of_fold = tables.train_rows(baseline_probabilities)
    out_of_fold = tables.matrix(out_of_fold["probabilities"], len(labels))
    found["suspects"]["train"] = findings.label_suspects(
        learned, np.arange(len(learned)), out_of_fold, labels, params.suspects
    )
    for split in ("validation", "test"):
        chosen = np.flatnonzero(judged.split == split)
        if chosen.size:
            found["suspects"][split] = findings.label_suspects(
                judged, chosen, probabilities, labels, params.suspects
            )
    return found


def report_evaluation(
    scores: dict,
    label_findings: dict,
    baseline_report: dict,
    calibration: dict,
    checkpoint_profile: dict,
    label_map: dict,
    params: EvaluationParams,
) -> tuple[dict, str]:
    """Puts everything into one report, and that onto one page."""
    from wenliu.pipelines.evaluation.page import evaluation_page
    from wenliu.pipelines.evaluation.verdict import judge

    verdict = judge(scores, baseline_report, checkpoint_profile, params)
    report = {
        "rows": {name: scored["rows"] for name, scored in scores["sets"].items()},
        "labels": list(label_map["labels"]),
        "model": {
            key: checkpoint_profile.get(key)
            for key in ("source", "revision", "parameters", "hidden_size", "layers")
        },
        "verdict": verdict,
        "scores": scores,
        "baseline": baseline_report,
        "calibration": calibration,
        "findings": label_findings,
        "settings": params.model_dump(),
        "warnings": verdict["warnings"],
    }
    for warning in report["warnings"]:
        logger.warning(warning)
    return report, evaluation_page(report)
