"""Wiring of segmentation."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.segmentation.nodes import find_keywords, segment_texts


def create_pipeline() -> Pipeline:
    """From audited examples to words, and the keywords of each label."""
    return Pipeline(
        [
            Node(
                segment_texts,
                ["audited_examples", "params:segmentation"],
                "words",
                name="segment_texts",
            ),
            Node(
                find_keywords,
                ["words", "audited_examples", "label_map", "params:segmentation"],
                ["segmentation_report", "keywords_plot"],
                name="find_keywords",
            ),
        ],
        namespace="segmentation",
        prefix_datasets_with_namespace=False,
    )
