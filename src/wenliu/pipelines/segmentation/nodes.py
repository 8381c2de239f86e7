"""Cuts texts into words and finds those that tell the labels apart."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from wenliu.frames import Table
from wenliu.params import SegmentationParams
from wenliu.progress import progress_bar

logger = logging.getLogger(__name__)

#: Rows between two movements of the progress bar.
_STEP = 1000


def segment_texts(audited_examples: Table, params: SegmentationParams) -> Table:
    """The words of every ``clean_text``, chunk by chunk and row by row.

    Raises:
        UserError: The user dictionary cannot be read.
    """
    import pyarrow as pa

    from wenliu.schemas import Words
    from wenliu.text.segmentation import Segmenter

    segmenter = Segmenter(
        params.engine, _dictionary(params.user_dictionary), params.part_of_speech, params.cache
    )
    for warning in segmenter.warnings:
        logger.warning(warning)
    schema = Words.arrow()
    if params.part_of_speech:
        schema = schema.append(pa.field("tags", pa.list_(pa.string()), nullable=False))
    parts = []
    with progress_bar(audited_examples.num_rows, "Segmenting") as bar:
        for part in audited_examples.select(["id", "clean_text"]).to_batches():
            columns: dict[str, list] = {"words": [], "starts": [], "tags": []}
            for row, text in enumerate(part["clean_text"].to_pylist(), 1):
                if params.part_of_speech:
                    words, starts, tags = _columns(segmenter.tag(text), 3)
                    columns["tags"].append(tags)
                else:
                    words, starts = _columns(segmenter.segment(text), 2)
                columns["words"].append(words)
                columns["starts"].append(starts)
                if row % _STEP == 0:
                    bar.update(_STEP)
            bar.update(part.num_rows % _STEP)
            arrays = [
                part["id"] if field.name == "id" else pa.array(columns[field.name], field.type)
                for field in schema
            ]
            parts.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(parts, schema=schema)


def find_keywords(
    words: Table, audited_examples: Table, label_map: dict, params: SegmentationParams
) -> tuple[dict, str]:
    """Keywords of each label over the rows that training sees.

    Returns:
        The report, and a plot with one panel for each label.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from wenliu.reporting.charts import bar_grid
    from wenliu.text.keywords import keywords_by_label
    from wenliu.text.segmentation import Segmenter

    learned = pc.and_(
        pc.equal(audited_examples["split"], "train"), pc.is_null(audited_examples["dropped"])
    )
    table = pa.table({"words": words["words"], "label": audited_examples["label_id"]})
    table = table.filter(learned)
    labels = label_map["labels"]
    found = keywords_by_label(
        (row for part in table.to_batches() for row in part["words"].to_pylist()),
        table["label"].to_pylist(),
        len(labels),
        params.keywords,
    )
    panels = {
        label: ([keyword.word for keyword in own], [keyword.score for keyword in own])
        for label, own in zip(labels, found, strict=True)
        if own
    }
    n_words = int(pc.sum(pc.list_value_length(words["words"])).as_py() or 0)
    characters = int(pc.sum(pc.utf8_length(audited_examples["clean_text"])).as_py() or 0)
    report = {
        "rows": words.num_rows,
        "words": n_words,
        "characters_per_word": round(characters / n_words, 3) if n_words else 0.0,
        "engine": "jieba" if params.part_of_speech else params.engine,
        "rows_for_keywords": table.num_rows,
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
        "warnings": [Segmenter.POS_WARNING]
        if params.part_of_speech and params.engine == "rjieba"
        else [],
    }
    return report, bar_grid(panels, title="Keywords by label (z-score of the log-odds)")


def _columns(rows: Sequence[tuple], number: int) -> list[list]:
    """The columns of ``rows``, empty ones where there are none."""
    return [[row[i] for row in rows] for i in range(number)]


def _dictionary(path: str | None) -> Path | None:
    """The dictionary's path; a relative one is meant from the project, wherever we run."""
    if path is None:
        return None
    given = Path(path).expanduser()
    if given.is_absolute() or given.exists():
        return given
    from wenliu.project import find_project

    return find_project() / given
