"""Wiring of drift."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.drift.nodes import measure_drift, show_drift


def create_pipeline() -> Pipeline:
    """From the audited rows, and a model that knows the older ones, to a report and a page."""
    return Pipeline(
        [
            Node(
                measure_drift,
                [
                    "audited_examples",
                    "label_map",
                    "bundle",
                    "reigning_champion",
                    "settled_intakes",
                    "params:drift",
                    "params:model",
                ],
                "drift_report",
                name="measure_drift",
            ),
            Node(show_drift, "drift_report", "drift_page", name="show_drift"),
        ],
        namespace="drift",
        prefix_datasets_with_namespace=False,
    )
