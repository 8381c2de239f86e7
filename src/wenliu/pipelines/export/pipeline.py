"""The wiring of export."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.export.nodes import build_bundle, register_model, verify_bundle


def create_pipeline() -> Pipeline:
    """From the trained model to a verified bundle and a registered model."""
    return Pipeline(
        [
            Node(
                build_bundle,
                [
                    "model",
                    "tokenizer",
                    "label_map",
                    "text_settings",
                    "max_length",
                    "calibration",
                    "metrics",
                    "checkpoint_profile",
                    "finetuning_report",
                    "token_ids",
                    "audited_examples",
                    "training_workspace",
                    "params:export",
                    "params:model",
                ],
                "bundle",
                name="build_bundle",
            ),
            Node(
                verify_bundle,
                ["bundle", "examples", "audited_examples", "predictions", "params:export"],
                "export_report",
                name="verify_bundle",
            ),
            Node(
                register_model,
                ["bundle", "export_report", "params:export"],
                "registered_model",
                name="register_model",
            ),
        ],
        namespace="export",
        prefix_datasets_with_namespace=False,
    )
