"""Segmentation as a stage: words row by row, keywords of what training sees."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from wenliu.params import SegmentationParams
from wenliu.pipelines.segmentation.nodes import find_keywords, segment_texts
from wenliu.pipelines.segmentation.pipeline import create_pipeline
from wenliu.schemas import AuditedExamples, Words

LABELS = {"labels": ["物流", "价格"]}
ROWS = (
    [("快递太慢，等了三天", 0, "train", None)] * 4
    + [("价格太贵，不划算", 1, "train", None)] * 4
    + [("麒麟麒麟", 0, "train", "repeat")] * 9
    + [("凤凰凤凰", 1, "test", None)] * 9
    + [("", 0, "train", "blank")]
)


def _audited() -> pa.Table:
    rows = [
        {"id": f"a:{i}", "text": text, "label": LABELS["labels"][label], "label_id": label}
        | {"split": split, "group": None, "source": "a", "line": i + 1, "clean_text": text}
        | {"edits": None, "split_given": False, "leak": None, "dropped": dropped}
        for i, (text, label, split, dropped) in enumerate(ROWS)
    ]
    table = pa.Table.from_pylist(rows, schema=AuditedExamples.arrow())
    return pa.concat_tables([table[:10], table[10:]])


def test_words_stand_row_by_row_with_their_starts() -> None:
    audited = _audited()
    words = Words.validate(segment_texts(audited, SegmentationParams())).table()
    assert words["id"].to_pylist() == audited["id"].to_pylist()
    texts = audited["clean_text"].to_pylist()
    for text, row, starts in zip(
        texts, words["words"].to_pylist(), words["starts"].to_pylist(), strict=True
    ):
        assert "".join(row) == text
        assert [text[s : s + len(w)] for w, s in zip(row, starts, strict=True)] == row


def test_several_processes_cut_as_one_does(in_pool) -> None:
    alone = segment_texts(_audited(), SegmentationParams()).table()
    in_pool(rows=5)
    assert segment_texts(_audited(), SegmentationParams()).table().equals(alone)


def test_tags_are_a_column_of_their_own() -> None:
    words = segment_texts(_audited()[:2], SegmentationParams(part_of_speech=True))
    words = Words.validate(words).table()
    assert "tags" in words.column_names
    assert len(words["tags"][0].as_py()) == len(words["words"][0].as_py())


def test_keywords_come_from_the_rows_that_training_sees() -> None:
    pytest.importorskip("wenliu.reporting.charts")
    audited = _audited()
    params = SegmentationParams(keywords=5)
    report, plot = find_keywords(segment_texts(audited, params), audited, LABELS, params)
    words = {label: [k["word"] for k in own] for label, own in report["keywords"].items()}
    assert "快递" in words["物流"] and "价格" in words["价格"]
    assert not {"麒麟", "凤凰"} & {word for own in words.values() for word in own}
    assert report["rows"] == len(ROWS) and report["rows_for_keywords"] == 8
    assert report["engine"] == "rjieba" and report["warnings"] == []
    json.dumps(report)
    assert plot.lstrip().startswith("<svg") and "快递" in plot


def test_the_file_holds_every_parameter_with_its_default() -> None:
    file = Path(__file__).resolve().parents[3] / "conf/base/parameters/segmentation.yml"
    written = yaml.safe_load(file.read_text("utf-8"))
    assert written == {"segmentation": SegmentationParams().model_dump()}


def test_the_wiring_keeps_bare_names() -> None:
    pipeline = create_pipeline()
    assert pipeline.inputs() == {"audited_examples", "label_map", "params:segmentation"}
    assert pipeline.all_outputs() == {"words", "segmentation_report", "keywords_plot"}
