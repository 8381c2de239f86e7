"""The wiring of inference."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.inference.nodes import predict_file


def create_pipeline() -> Pipeline:
    """From a new file to the same file with labels."""
    return Pipeline(
        [
            Node(
                predict_file,
                ["serving_bundle", "params:inference"],
                "inference_report",
                name="predict_file",
            )
        ],
        namespace="inference",
        prefix_datasets_with_namespace=False,
    )
