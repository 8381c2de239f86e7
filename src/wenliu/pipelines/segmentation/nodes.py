"""Cuts texts into words and finds those that tell the labels apart."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from wenliu.frames import Table
from wenliu.parallel import map_parts
from wenliu.params import SegmentationParams
from wenliu.parts import Parts

if TYPE_CHECKING:
    from wenliu.text.keywords import WordCounts

logger = logging.getLogger(__name__)


def segment_texts(audited_examples: Table | Parts, params: SegmentationParams) -> Parts:
    """The words of every ``clean_text``, row by row.

    Raises:
        UserError: The user dictionary cannot be read.
    """
    from wenliu.pipelines.segmentation.columns import SegmentTexts

    for warning in _warnings(params):
        logger.warning(warning)
    segment, parts = SegmentTexts(params), Parts.of(audited_examples)
    words = map_parts(segment, parts, ["clean_text"], segment.schema, description="Segmenting")
    return parts.select(["id"]).beside(words)


def find_keywords(
    words: Table | Parts,
    audited_examples: Table | Parts,
    label_map: dict,
    params: SegmentationParams,
) -> tuple[dict, str]:
    """Keywords of each label over the rows that training sees.

    Returns:
        The report, and a plot with one panel for each label.
    """
    from wenliu.reporting.charts import bar_grid

    labels = label_map["labels"]
    parts = Parts.of(words)
    marks = Parts.of(audited_examples).select(["label_id", "split", "dropped"])
    counts, totals = _count_words(parts.select(["words"]).beside(marks), len(labels))
    found = counts.keywords(params.keywords)
    panels = {
        label: ([keyword.word for keyword in own], [keyword.score for keyword in own])
        for label, own in zip(labels, found, strict=True)
        if own
    }
    report = {
        "rows": parts.num_rows,
        "words": totals["words"],
        "characters_per_word": round(totals["characters"] / max(1, totals["words"]), 3),
        "engine": "jieba" if params.part_of_speech else params.engine,
        "rows_for_keywords": counts.rows,
        "keywords": {
            label: [
                {
                    "word": keyword.word,
                    "score": round(keyword.score, 3),
                    "rows": keyword.rows,
                    "share": round(keyword.share, 4),
                }
                for keyword in own
            ]
            for label, own in zip(labels, found, strict=True)
        },
        "warnings": _warnings(params),
    }
    return report, bar_grid(panels, title="Keywords by label (z-score of the log-odds)")


def _count_words(rows: Parts, n_labels: int) -> tuple[WordCounts, Counter[str]]:
    """Words by label in the rows that training sees; words and characters of all rows."""
    from wenliu.pipelines.segmentation.columns import CountWords
    from wenliu.text.keywords import WordCounts, counts_schema

    counts = WordCounts(n_labels)
    totals: Counter[str] = Counter()
    train = map_parts(
        CountWords(n_labels, dropped=False),
        rows,
        ["words", "label_id", "split"],
        counts_schema(),
        format="arrow",
        merge=totals.update,
        description="Counting words",
    )
    counts.merge(train.table(), totals["rows"])
    taken_off: Counter[str] = Counter()
    dropped = map_parts(
        CountWords(n_labels, dropped=True),
        Parts.joined((part for part in rows.each() if _has_dropped(part)), rows.schema),
        ["words", "label_id", "split", "dropped"],
        counts_schema(),
        format="arrow",
        merge=taken_off.update,
        description="Counting dropped words",
    )
    counts.take_off(dropped.table(), taken_off["rows"])
    return counts, totals


def _has_dropped(part: Parts) -> bool:
    return part.nulls("dropped") < part.num_rows


def _warnings(params: SegmentationParams) -> list[str]:
    from wenliu.text.segmentation import Segmenter

    return [Segmenter.POS_WARNING] if params.part_of_speech and params.engine == "rjieba" else []
