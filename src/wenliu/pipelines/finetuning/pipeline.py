"""Wiring of the fine-tuning stage."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.finetuning.nodes import fit_model
from wenliu.pipelines.finetuning.plots import plot_training


def create_pipeline() -> Pipeline:
    """Token ids to a model."""
    return Pipeline(
        [
            Node(
                fit_model,
                [
                    "token_ids",
                    "tokenizer",
                    "label_map",
                    "checkpoint_profile",
                    "max_length",
                    "training_workspace",
                    "params:model",
                    "params:finetuning",
                ],
                ["model", "training_history", "finetuning_report"],
                name="fit_model",
            ),
            Node(plot_training, "training_history", "training_plot", name="plot_training"),
        ],
        namespace="finetuning",
        prefix_datasets_with_namespace=False,
    )
