"""The wiring of promotion."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.promotion.nodes import (
    answer_gate_rows,
    check_bundles,
    decide_promotion,
    promote_challenger,
    render_decision,
)


def create_pipeline() -> Pipeline:
    """From the bundle and the champion to a decision, its page, and perhaps another champion."""
    return Pipeline(
        [
            Node(
                check_bundles, ["bundle", "reigning_champion"], "self_tests", name="check_bundles"
            ),
            Node(
                answer_gate_rows,
                ["bundle", "reigning_champion", "self_tests", "label_map", "audited_examples"],
                "gate_predictions",
                name="answer_gate_rows",
            ),
            Node(
                decide_promotion,
                [
                    "gate_predictions",
                    "self_tests",
                    "reigning_champion",
                    "registered_model",
                    "label_map",
                    "audited_examples",
                    "frozen_sets",
                    "drift_report",
                    "finetuning_report",
                    "training_history",
                    "export_report",
                    "params:promotion",
                    "params:model",
                ],
                "decision",
                name="decide_promotion",
            ),
            Node(render_decision, "decision", "decision_page", name="render_decision"),
            Node(promote_challenger, "decision", "champion", name="promote_challenger"),
        ],
        namespace="promotion",
        prefix_datasets_with_namespace=False,
    )
