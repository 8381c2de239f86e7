"""Nights from raw files to token ids: what was remembered changes no value of any result."""

import csv
import json
import random

import pyarrow as pa
import pytest
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.runner import SequentialRunner

from wenliu import memo
from wenliu.datasets import VersionedDataset
from wenliu.params import (
    AuditParams,
    CleaningParams,
    IngestionParams,
    ModelParams,
    SegmentationParams,
    SplittingParams,
    TokenizationParams,
)
from wenliu.parts import Parts
from wenliu.pipeline_registry import register_pipelines
from wenliu.settled import NOTHING_SETTLED

STAGES = ("ingestion", "cleaning", "splitting", "audit", "segmentation", "tokenization")
LABELS = ("物流", "质量", "价格")
PIECES = (
    *(
        "快递太慢",
        "等了三天",
        "包裝破了",
        "屏幕有划痕",
        "价格太贵",
        "不划算",
        "客服態度很好",
        "！！！",
    ),
    *(
        "ＡＢＣ",
        "iPhone 15",
        "😂",
        "的",
        "了",
        "👍🏻",
        "<br>",
        "鼷",
        "龘",
        " ",
        "订单号13800138000",
    ),
)
KINDS = {
    **dict.fromkeys(["examples", "quarantine", "clean_examples", "split_examples"], "table"),
    **dict.fromkeys(["audited_examples", "words"], "table"),
    "token_ids": "arrow",
    "audit_page": "html",
    "keywords_plot": "svg",
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(memo, "_place", lambda: tmp_path / "memo")
    monkeypatch.setattr("wenliu.put_aside.beside_the_versions", lambda: tmp_path / "aside")
    monkeypatch.setattr("wenliu.gathering.PART_ROWS", 40)
    monkeypatch.setattr("wenliu.parallel.BATCH_ROWS", 16)


def rows(choose, count):
    """Some end with a character that is rare: unknown at first, known on a later night."""
    texts = [
        "".join(
            [*choose.choices(PIECES, k=choose.randrange(1, 9)), chr(choose.randrange(19968, 20400))]
        )
        for _ in range(count)
    ]
    return [[text, choose.choice(LABELS)] for text in texts]


def write(path, content):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *content])


def parameters(choose):
    return {
        "ingestion": IngestionParams(),
        "model": ModelParams(),
        "cleaning": CleaningParams(samples=choose.choice([3, 3, 3, 4])),
        "splitting": SplittingParams(
            min_rows_per_class=0, salt=choose.choice(["a", "a", "a", "b"])
        ),
        "audit": AuditParams(near_min_chars=choose.choice([6, 6, 6, 8])),
        "segmentation": SegmentationParams(),
        "tokenization": TokenizationParams(),
    }


def night(folder, version, files, params):
    """All stages over the files; every result as values."""
    pipelines = register_pipelines()
    pipeline = sum((pipelines[stage] for stage in STAGES[1:]), pipelines[STAGES[0]])
    catalog = DataCatalog({"raw_files": MemoryDataset(files), "frozen_sets": MemoryDataset({})})
    catalog["settled_intakes"] = MemoryDataset(NOTHING_SETTLED)
    for name, value in params.items():
        catalog[f"params:{name}"] = MemoryDataset(value, copy_mode="assign")
    for name in pipeline.all_outputs():
        kind = KINDS.get(name, "json")
        catalog[name] = VersionedDataset(str(folder / name), kind, Version(None, version))
    SequentialRunner().run(pipeline, catalog)
    found = {}
    for name in sorted(pipeline.all_outputs()):
        value = catalog.load(name)
        found[name] = value.table() if isinstance(value, Parts) else value
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, pa.Table):
            assert value.schema.equals(other[name].schema), name
            assert value.combine_chunks().equals(other[name].combine_chunks()), name
        else:
            assert json.dumps(value) == json.dumps(other[name]), name


@pytest.mark.parametrize("seed", range(2))
def test_any_sequence_of_nights_gives_what_one_run_without_memory_gives(
    seed, tmp_path, monkeypatch
):
    """Files are added, changed and removed, parameters change; nothing remembered shows."""
    choose = random.Random(seed)
    raw = tmp_path / "raw"
    raw.mkdir()
    contents = {f"{number}.csv": rows(choose, 70) for number in range(2)}
    for number in range(4):
        action = choose.choice(["add", "add", "change", "remove"]) if number else "first"
        name = choose.choice(sorted(contents))
        if action == "add":
            contents[f"{number + 2}.csv"] = rows(choose, choose.randrange(1, 50))
        elif action == "change":
            contents[name] = [*contents[name][:-1], *rows(choose, 2)]
        elif action == "remove" and len(contents) > 2:
            del contents[name]
        for path in raw.iterdir():
            path.unlink()
        for name, content in contents.items():
            write(raw / name, content)
        files = sorted(raw.iterdir())
        params = parameters(choose)
        version = f"2026-01-0{number + 1}T00.00.00.000Z"
        with monkeypatch.context() as patch:
            patch.setenv("WENLIU_MEMO", "on")
            remembered = night(tmp_path / "on", version, files, params)
        assert_same(remembered, night(tmp_path / "off", version, files, params))


def test_a_second_night_works_on_new_rows_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("WENLIU_MEMO", "on")
    choose = random.Random(1)
    for number in range(3):
        write(tmp_path / f"{number}.csv", rows(choose, 60))
    files = sorted(tmp_path.glob("*.csv"))
    params = parameters(random.Random(1))
    night(tmp_path / "data", "2026-01-01T00.00.00.000Z", files[:2], params)
    cleaned = []
    from wenliu.text.normalizer import Normalizer

    real = Normalizer.clean_column
    monkeypatch.setattr(
        Normalizer,
        "clean_column",
        lambda self, texts, tally: cleaned.append(len(texts)) or real(self, texts, tally),
    )
    version = "2026-01-02T00.00.00.000Z"
    night(tmp_path / "data", version, files, params)
    assert sum(cleaned) == 60
    for name, wide in (("clean_examples", 4), ("words", 4), ("token_ids", 8)):
        old = [
            p for p in (tmp_path / "data" / name / version).rglob("part-*") if p.stat().st_nlink > 2
        ]
        assert len(old) >= wide, name
