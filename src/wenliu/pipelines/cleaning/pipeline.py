"""Wiring of cleaning."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.cleaning.nodes import clean_texts, examine_checkpoint, resolve_text_settings


def create_pipeline() -> Pipeline:
    """From raw examples and the checkpoint's profile to what the model will read."""
    return Pipeline(
        [
            Node(
                examine_checkpoint,
                "params:model",
                "checkpoint_profile",
                name="examine_checkpoint",
            ),
            Node(
                resolve_text_settings,
                ["checkpoint_profile", "params:cleaning"],
                "text_settings",
                name="resolve_text_settings",
            ),
            Node(
                clean_texts,
                ["examples", "text_settings", "params:cleaning"],
                ["clean_examples", "cleaning_report"],
                name="clean_texts",
            ),
        ],
        namespace="cleaning",
        prefix_datasets_with_namespace=False,
    )
