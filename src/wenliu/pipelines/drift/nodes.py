"""Compares new rows with what was there before."""

from __future__ import annotations

import logging
from pathlib import Path

from wenliu.frames import Table
from wenliu.params import DriftParams, ModelParams
from wenliu.parts import Parts

logger = logging.getLogger(__name__)


def measure_drift(
    audited_examples: Table | Parts,
    label_map: dict,
    bundle: Path,
    reigning_champion: dict,
    settled_intakes: dict,
    params: DriftParams,
    model_params: ModelParams,
) -> dict:
    """The drift report: new rows against those with which a night has passed.

    Each intake since is judged alone and with those before it, and the worst is reported: what was
    another kind of data stays so, however many ordinary rows have come since.

    Returns:
        ``verdict`` (``ok``, ``warn``, ``fail``; ``none`` where there is nothing to compare),
        ``new_rows``, ``reference_rows``, ``sources``, ``model``, ``measures``, ``charts``,
        ``settings``, ``warnings``.
    """
    from wenliu.pipelines.drift.answers import load_asked
    from wenliu.pipelines.drift.comparing import compare
    from wenliu.pipelines.drift.sampling import sample_rows
    from wenliu.pipelines.drift.verdict import judged, worst_of
    from wenliu.settled import pending_sources

    table, seed = Parts.of(audited_examples), model_params.seed
    pending = pending_sources(_distinct_sources(table), settled_intakes) or [set()]
    asked = None
    reports = []
    for sources in pending:
        samples = sample_rows(table, sources, pending[-1] - sources, params.rows, seed)
        new_rows = samples["new"].total + samples["new_held_out"].total
        reference_rows = samples["reference"].total + samples["reference_held_out"].total
        measured = {}
        if new_rows and reference_rows:
            asked = asked or load_asked(reigning_champion, bundle)
            measured = compare(samples, asked.bundle, label_map["labels"], params, seed)
        reports.append(
            {
                "new_rows": new_rows,
                "reference_rows": reference_rows,
                "sources": sorted(sources),
                "settings": params.model_dump(),
                "model": asked.name if measured and asked else None,
                **judged(measured, params, new_rows),
            }
        )
    report = worst_of(reports)
    report["warnings"] += asked.warnings if asked else []
    for words in report["warnings"]:
        logger.warning("Drift. %s", words)
    return report


def show_drift(drift_report: dict) -> str:
    """The report as a page."""
    from wenliu.pipelines.drift.page import drift_page

    return drift_page(drift_report)


def _distinct_sources(table: Parts) -> set[str]:
    import pyarrow.compute as pc

    batches = table.batches(["source"])
    return {name for batch in batches for name in pc.unique(batch["source"]).to_pylist()}
