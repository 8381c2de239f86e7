"""Cleaning as a stage: settings from a profile, a table in, a table and a report out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from wenliu.errors import UserError
from wenliu.params import CleaningParams, ModelParams
from wenliu.pipelines.cleaning.nodes import clean_texts, examine_checkpoint, resolve_text_settings
from wenliu.pipelines.cleaning.pipeline import create_pipeline
from wenliu.schemas import CleanExamples, Examples
from wenliu.text.edits import Edits

SCRATCH = {"source": "scratch", "path": None, "lowercase": True, "knows_traditional": False}
TEXTS = [
    "<p>ＷｉＦｉ太慢了！！！！！</p>",
    "打客服电话13800138000没人接",
    "\u200b\u200b",
    "没有变化",
    "發票還沒收到",
]


def _examples(texts: list[str]) -> pa.Table:
    rows = [
        {"id": f"a.csv:{i}", "text": text, "label": "网络", "label_id": 0, "split": None}
        | {"group": None, "source": "a.csv", "line": i + 1}
        for i, text in enumerate(texts)
    ]
    return pa.Table.from_pylist(rows, schema=Examples.arrow())


def test_texts_are_cleaned_with_their_edits() -> None:
    settings = resolve_text_settings(SCRATCH, CleaningParams())
    table = pa.concat_tables([_examples(TEXTS[:2]), _examples(TEXTS[2:])])
    cleaned, report = clean_texts(table, settings, CleaningParams(samples=2))
    cleaned = CleanExamples.validate(cleaned).table()
    assert cleaned["clean_text"].to_pylist() == [
        "wifi太慢了！！！",
        "打客服电话电话没人接",
        "",
        "没有变化",
        "发票还没收到",
    ]
    assert cleaned["text"].to_pylist() == TEXTS
    edits = cleaned["edits"].to_pylist()
    assert edits[3] is None and edits[4] is None  # every position is what it was
    assert Edits.from_flat(edits[0]).to_old(0, 4) == (3, 7)
    assert report["rows"] == 5 and report["blank_rows"] == 1
    assert report["rules"]["phones"]["rows"] == 1
    assert report["rules"]["simplify"]["characters"] == 3
    assert report["warnings"] and "1 of 5" in report["warnings"][0]
    json.dumps([settings, report])


def test_several_processes_clean_and_count_as_one_does(in_pool) -> None:
    settings = resolve_text_settings(SCRATCH, CleaningParams())
    table = pa.concat_tables([_examples(TEXTS)] * 4)
    alone = clean_texts(table, settings, CleaningParams(samples=7))
    in_pool(rows=3)
    together = clean_texts(table, settings, CleaningParams(samples=7))
    assert together[0].table().equals(alone[0].table())
    assert together[1] == alone[1]


def test_an_empty_table_stays_one() -> None:
    settings = resolve_text_settings(SCRATCH, CleaningParams())
    cleaned, report = clean_texts(_examples([]), settings, CleaningParams())
    CleanExamples.validate(cleaned)
    assert cleaned.num_rows == report["rows"] == 0


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ({}, "simplify", True),
        ({"simplify": "off"}, "simplify", False),
        ({"lowercase": "off"}, "lowercase", False),
        ({"punctuation": "off"}, "punctuation", {}),
        ({"repeats": 0}, "repeats", 0),
        ({"html": False}, "html", False),
        ({"urls": "keep", "emails": "keep", "mentions": "keep", "phones": "drop"}, "masks", None),
    ],
)
def test_parameters_reach_the_settings(change: dict, key: str, value: object) -> None:
    settings = resolve_text_settings(SCRATCH, CleaningParams(**change))
    expected = {"phones": "", "id_numbers": "证件"} if key == "masks" else value
    assert settings[key] == expected


def test_a_checkpoints_vocabulary_decides(tmp_path: Path) -> None:
    pytest.importorskip("wenliu.modeling.doctor")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "“", ".", "-", "👍", "##👍", "笑", "們"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens), "utf-8")
    profile = {"path": str(tmp_path), "lowercase": False, "knows_traditional": True}
    settings = resolve_text_settings(profile, CleaningParams())
    assert not settings["lowercase"] and not settings["simplify"]
    assert "“" not in settings["punctuation"] and settings["punctuation"]["…"] == "..."
    assert "👍" not in settings["emoji"] and settings["emoji"]["😂"].strip() == "笑哭了"


def test_scratch_has_a_profile() -> None:
    pytest.importorskip("wenliu.modeling.doctor")
    profile = examine_checkpoint(ModelParams())
    settings = resolve_text_settings(profile, CleaningParams())
    assert settings["lowercase"] and settings["simplify"] and settings["emoji"] == {}


def test_a_device_that_is_not_there_is_refused_before_any_work() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(UserError, match=r"'cuda' is not available .* which has cpu"):
        examine_checkpoint(ModelParams(device="cuda"))


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_device_that_is_always_there_costs_no_torch(device: str) -> None:
    program = (
        "import sys\n"
        "from wenliu.params import ModelParams\n"
        "from wenliu.pipelines.cleaning.nodes import examine_checkpoint\n"
        f"examine_checkpoint(ModelParams(device={device!r}))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_file_holds_every_parameter_with_its_default() -> None:
    file = Path(__file__).resolve().parents[3] / "conf/base/parameters/cleaning.yml"
    written = yaml.safe_load(file.read_text("utf-8"))
    assert written == {"cleaning": CleaningParams().model_dump()}


def test_the_wiring_keeps_bare_names() -> None:
    pipeline = create_pipeline()
    assert pipeline.inputs() == {"examples", "params:model", "params:cleaning"}
    assert pipeline.all_outputs() == {
        "checkpoint_profile",
        "text_settings",
        "clean_examples",
        "cleaning_report",
    }
