"""Wiring of the splitting."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.splitting.nodes import split_examples


def create_pipeline() -> Pipeline:
    """From clean examples to split ones."""
    return Pipeline(
        [
            Node(
                split_examples,
                ["clean_examples", "label_map", "frozen_sets", "params:splitting"],
                ["split_examples", "splitting_report"],
                name="split_examples",
            )
        ],
        namespace="splitting",
        prefix_datasets_with_namespace=False,
    )
