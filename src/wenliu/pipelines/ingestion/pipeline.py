"""Wiring of the ingestion."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.ingestion.nodes import read_examples


def create_pipeline() -> Pipeline:
    """From raw files to examples."""
    return Pipeline(
        [
            Node(
                read_examples,
                ["raw_files", "frozen_sets", "params:ingestion", "settled_intakes"],
                ["examples", "quarantine", "label_map", "ingestion_report"],
                name="read_examples",
            )
        ],
        namespace="ingestion",
        prefix_datasets_with_namespace=False,
    )
