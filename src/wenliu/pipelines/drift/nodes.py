"""Compares the newest rows with what was there before."""

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
    params: DriftParams,
    model_params: ModelParams,
) -> dict:
    """The drift report: the rows of the newest intake against older ones.

    Returns:
        ``verdict`` (``ok``, ``warn``, ``fail``; ``none`` where there is nothing to compare),
        ``new_rows``, ``reference_rows``, ``sources``, ``model``, ``measures``, ``charts``,
        ``settings``, ``warnings``.
    """
    from wenliu.inbox import newest_sources
    from wenliu.pipelines.drift.answers import asked_model
    from wenliu.pipelines.drift.comparing import compare
    from wenliu.pipelines.drift.sampling import sample_rows
    from wenliu.pipelines.drift.verdict import judged
    from wenliu.serving.bundle import Bundle

    table, seed = Parts.of(audited_examples), model_params.seed
    sources = newest_sources(_distinct_sources(table))
    samples = sample_rows(table, sources, params.rows, seed)
    report = {
        "new_rows": samples["new"].total + samples["new_held_out"].total,
        "reference_rows": samples["reference"].total + samples["reference_held_out"].total,
        "sources": sorted(sources),
        "settings": params.model_dump(),
    }
    if not report["new_rows"] or not report["reference_rows"]:
        return {**report, "model": None, **judged({}, params)}
    folder, model = asked_model(reigning_champion, bundle)
    asked = Bundle.load(folder, engine="onnxruntime")
    verdicts = judged(compare(samples, asked, label_map["labels"], params, seed), params)
    for words in verdicts["warnings"]:
        logger.warning("Drift. %s", words)
    return {**report, "model": model, **verdicts}


def show_drift(drift_report: dict) -> str:
    """The report as a page."""
    from wenliu.pipelines.drift.page import drift_page

    return drift_page(drift_report)


def _distinct_sources(table: Parts) -> set[str]:
    import pyarrow.compute as pc

    batches = table.batches(["source"])
    return {name for batch in batches for name in pc.unique(batch["source"]).to_pylist()}
