"""Wiring of the evaluation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.evaluation.nodes import (
    calibrate_predictions,
    inspect_labels,
    predict_splits,
    report_evaluation,
    score_model,
    train_baselines,
)


def create_pipeline() -> Pipeline:
    """From the model and the audited rows to metrics and a page."""
    return Pipeline(
        [
            Node(
                predict_splits,
                ["model", "token_ids", "audited_examples", "params:model"],
                "model_logits",
                name="predict_splits",
            ),
            Node(
                train_baselines,
                ["audited_examples", "words", "label_map", "params:evaluation", "params:model"],
                ["baseline_probabilities", "baseline_report"],
                name="train_baselines",
            ),
            Node(
                calibrate_predictions,
                ["model_logits", "baseline_probabilities", "audited_examples"],
                ["predictions", "calibration"],
                name="calibrate_predictions",
            ),
            Node(
                score_model,
                [
                    "predictions",
                    "calibration",
                    "audited_examples",
                    "label_map",
                    "params:evaluation",
                    "params:model",
                ],
                ["metrics", "scores"],
                name="score_model",
            ),
            Node(
                inspect_labels,
                [
                    "predictions",
                    "baseline_probabilities",
                    "calibration",
                    "audited_examples",
                    "label_map",
                    "params:evaluation",
                ],
                "label_findings",
                name="inspect_labels",
            ),
            Node(
                report_evaluation,
                [
                    "scores",
                    "label_findings",
                    "baseline_report",
                    "calibration",
                    "checkpoint_profile",
                    "label_map",
                    "params:evaluation",
                ],
                ["evaluation_report", "evaluation_page"],
                name="report_evaluation",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
