"""Cuts texts into words and finds those that tell the labels apart."""

from __future__ import annotations

import logging

from wenliu.frames import Table
from wenliu.parallel import BATCH_ROWS, map_batches, watch
from wenliu.params import SegmentationParams
from wenliu.parts import Parts, gather

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
    batches = map_batches(segment, parts.batches(["id", "clean_text"], BATCH_ROWS))
    return gather(watch(batches, "Segmenting", parts.num_rows), segment.schema)


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
    import pyarrow.compute as pc

    from wenliu.reporting.charts import bar_grid
    from wenliu.text.keywords import WordCounts

    rows = Parts.of(audited_examples).table(["split", "dropped", "label_id"])
    learned = pc.and_(pc.equal(rows["split"], "train"), pc.is_null(rows["dropped"]))
    labels = label_map["labels"]
    counts = WordCounts(len(labels))
    n_words = start = 0
    parts = Parts.of(words)
    for batch in watch(parts.batches(["words"], BATCH_ROWS), "Counting words", parts.num_rows):
        taken = learned.slice(start, batch.num_rows).combine_chunks()
        label_ids = rows["label_id"].slice(start, batch.num_rows).combine_chunks()
        counts.add(batch["words"].filter(taken), label_ids.filter(taken))
        n_words += len(batch["words"].flatten())
        start += batch.num_rows
    found = counts.keywords(params.keywords)
    panels = {
        label: ([keyword.word for keyword in own], [keyword.score for keyword in own])
        for label, own in zip(labels, found, strict=True)
        if own
    }
    characters = sum(
        pc.sum(pc.utf8_length(batch["clean_text"])).as_py()
        for batch in Parts.of(audited_examples).batches(["clean_text"])
    )
    report = {
        "rows": parts.num_rows,
        "words": n_words,
        "characters_per_word": round(characters / n_words, 3) if n_words else 0.0,
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


def _warnings(params: SegmentationParams) -> list[str]:
    from wenliu.text.segmentation import Segmenter

    return [Segmenter.POS_WARNING] if params.part_of_speech and params.engine == "rjieba" else []
