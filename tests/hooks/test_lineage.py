"""A fingerprint changes with everything that could change the outputs, and with nothing else."""

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node

from wenliu.datasets import FrozenSetsDataset, RawFiles
from wenliu.hooks.lineage import lineage_of, unknown_inputs
from wenliu.params import FinetuningParams, ModelParams


def use(*inputs):
    return inputs


def details(part, **datasets):
    """One part of the lineage of a node that reads ``datasets`` (``params_x`` is ``params:x``)."""
    named = {name.replace("params_", "params:"): data for name, data in datasets.items()}
    return lineage_of(Node(use, [*named], "out"), DataCatalog(named), None).details[part]


def test_parameters_count_one_by_one_whether_typed_or_not():
    given = FinetuningParams(epochs=3)
    found = details("parameters", params_finetuning=MemoryDataset(given))
    assert found["finetuning.epochs"] == 3
    assert details("parameters", params_a=MemoryDataset({"b": {"c": (1, 2)}})) == {"a.b.c": [1, 2]}


def test_raw_files_count_by_name_and_content_wherever_they_lie(tmp_path):
    found = []
    for place in ("here", "there"):
        for split in ("train", "test"):
            (tmp_path / place / split).mkdir(parents=True)
            (tmp_path / place / split / "rows.csv").write_text(split)
        files = RawFiles(str(tmp_path / place), ["train/rows.csv", "test/rows.csv"])
        found.append(details("inputs", raw_files=files))
    assert found[0] == found[1]
    assert set(found[0]) == {"raw_files/train/rows.csv", "raw_files/test/rows.csv"}


def test_a_checkpoint_counts_with_the_files_of_its_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    params = MemoryDataset(ModelParams(checkpoint=str(tmp_path)))
    before = details("inputs", params_model=params)
    assert set(before) == {"model.checkpoint/model.safetensors"}
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert details("inputs", params_model=params) != before


def test_a_checkpoint_of_a_hub_counts_with_the_commit_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    params = MemoryDataset(ModelParams(checkpoint="someone/bert"))
    assert details("inputs", params_model=params) == {}
    commit, model = "c" * 40, tmp_path / "models--someone--bert"
    (model / "refs").mkdir(parents=True)
    (model / "refs/main").write_text(commit)
    assert details("inputs", params_model=params) == {}, "a reference without files is none"
    (model / "snapshots" / commit).mkdir(parents=True)
    assert details("inputs", params_model=params) == {"model.checkpoint": commit}
    pinned = MemoryDataset(ModelParams(checkpoint="someone/bert", revision=commit))
    assert details("inputs", params_model=pinned) == {"model.checkpoint": commit}


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("HF_HUB_CACHE", "."), ("HF_HOME", "hub"), ("XDG_CACHE_HOME", "huggingface/hub")],
)
def test_the_cache_is_where_huggingface_hub_has_it(tmp_path, monkeypatch, variable, folder):
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    commit = "c" * 40
    (tmp_path / folder / "models--someone--bert" / "snapshots" / commit).mkdir(parents=True)
    params = MemoryDataset(ModelParams(checkpoint="someone/bert", revision=commit))
    assert details("inputs", params_model=params) == {"model.checkpoint": commit}


def test_no_checkpoint_is_no_file():
    assert details("inputs", params_model=MemoryDataset(ModelParams())) == {}


def test_the_schema_that_a_table_is_held_against_is_code(tmp_path):
    entry = {"type": "wenliu.datasets.VersionedDataset", "path": str(tmp_path), "kind": "table"}
    catalog = DataCatalog.from_config({"out": {**entry, "validator": "wenliu.schemas.Examples"}})
    node = Node(len, "nothing", "out")  # a function that itself imports nothing
    assert "wenliu.schemas" in lineage_of(node, catalog, None).details["code"]
    catalog = DataCatalog.from_config({"out": entry})
    assert set(lineage_of(node, catalog, None).details["code"]) == {"python"}


def test_what_is_only_in_memory_is_unknown(tmp_path):
    catalog = DataCatalog({"x": MemoryDataset(1), "raw_files": RawFiles(str(tmp_path))})
    catalog["params:p"] = 1
    assert unknown_inputs(Node(use, ["x", "raw_files", "params:p"], "out"), catalog) == ["x"]


def test_the_frozen_sets_count_by_their_file_and_are_known_before_they_are_loaded(tmp_path):
    conf = tmp_path / "conf/base"
    conf.mkdir(parents=True)
    (conf / "globals.yml").write_text("problem: p\n")
    frozen = FrozenSetsDataset(str(tmp_path / "conf"), "p")
    before = details("inputs", frozen_sets=frozen)
    assert before == {"frozen_sets": ""}
    (conf / "frozen.yml").write_text("problem: p\n")
    assert details("inputs", frozen_sets=frozen) != before
    node = Node(use, ["frozen_sets"], "out")
    assert unknown_inputs(node, DataCatalog({"frozen_sets": frozen})) == []
