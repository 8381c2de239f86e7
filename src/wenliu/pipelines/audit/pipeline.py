"""Wiring of the audit."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from wenliu.pipelines.audit.nodes import audit_examples, render_audit


def create_pipeline() -> Pipeline:
    """From split examples to audited ones, with a report and a page."""
    return Pipeline(
        [
            Node(
                audit_examples,
                ["split_examples", "label_map", "frozen_sets", "params:audit"],
                ["audited_examples", "audit_report"],
                name="audit_examples",
            ),
            Node(render_audit, "audit_report", "audit_page", name="render_audit"),
        ],
        namespace="audit",
        prefix_datasets_with_namespace=False,
    )
