"""A new file through the bundle, from the catalog."""

from __future__ import annotations

import json

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from wenliu.errors import UserError
from wenliu.params import InferenceParams
from wenliu.pipelines.inference.nodes import predict_file
from wenliu.pipelines.inference.pipeline import create_pipeline
from wenliu.serving.bundle import Bundle


def test_the_pipeline_labels_a_file_and_says_with_what(tiny_problem, tmp_path, capsys):
    source = tmp_path / "new.jsonl"
    texts = ["快递三天了还没到", "质量不错下次再来"]
    source.write_text("\n".join(json.dumps({"text": text}) for text in texts), "utf-8")
    asked = []

    def serving_bundle(wanted, **options):
        asked.append(wanted)
        return Bundle.load(tiny_problem.bundle, **options), "the tiny bundle"

    params = InferenceParams(input=str(source), output=str(tmp_path / "out.jsonl"), bundle="v1")
    catalog = DataCatalog(
        {
            "serving_bundle": MemoryDataset(serving_bundle, copy_mode="assign"),
            "params:inference": MemoryDataset(params),
            "inference_report": MemoryDataset(),
        }
    )
    SequentialRunner().run(create_pipeline(), catalog)
    report = catalog.load("inference_report")
    assert report["rows"] == report["predicted"] == 2
    assert asked == ["v1"]
    assert "the tiny bundle" in capsys.readouterr().err
    json.dumps(report, allow_nan=False)


def test_the_sheet_with_the_texts_is_found_or_given(tiny_problem, tmp_path, capsys):
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["本表由客服部整理"])
    for name in ("一月", "二月"):
        sheet = book.create_sheet(name)
        sheet.append(["编号", "内容"])
        sheet.append(["1", "快递三天了还没到"])
    source = tmp_path / "book.xlsx"
    book.save(source)
    for given, read in ((None, "一月"), ("二月", "二月"), (2, "二月")):
        params = InferenceParams(input=str(source), sheet=given)
        report = predict_file(lambda wanted, **_: (Bundle.load(tiny_problem.bundle), ""), params)
        assert report["sheet"] == read
        assert f"Sheet {read!r} was read" in capsys.readouterr().err


def test_without_an_input_the_command_that_gives_one(tiny_problem):
    with pytest.raises(UserError, match=r"inference\.input=FILE"):
        predict_file(lambda wanted, **_: (Bundle.load(tiny_problem.bundle), ""), InferenceParams())
