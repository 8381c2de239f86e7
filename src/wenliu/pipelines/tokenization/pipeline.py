"""Wiring of the tokenization stage."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.tokenization.nodes import build_tokenizer, choose_max_length, tokenize_texts


def create_pipeline() -> Pipeline:
    """Clean text to token ids."""
    return Pipeline(
        [
            Node(
                build_tokenizer,
                ["audited_examples", "checkpoint_profile", "params:model"],
                "tokenizer",
                name="build_tokenizer",
            ),
            Node(
                choose_max_length,
                ["audited_examples", "tokenizer", "checkpoint_profile", "params:tokenization"],
                "max_length",
                name="choose_max_length",
            ),
            Node(
                tokenize_texts,
                [
                    "audited_examples",
                    "tokenizer",
                    "max_length",
                    "checkpoint_profile",
                    "params:model",
                ],
                ["token_ids", "tokenization_report"],
                name="tokenize_texts",
            ),
        ],
        namespace="tokenization",
        prefix_datasets_with_namespace=False,
    )
