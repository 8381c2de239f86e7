"""`wenliu labels`: a label is added deliberately, and the classes before it keep their weights."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from wenliu.datasets import VersionedDataset
from wenliu.errors import UserError
from wenliu.frozen import Frozen, read_frozen, write_frozen
from wenliu.label_growth import add_label, describe_labels, model_to_grow, point_at
from wenliu.modeling.checkpoint import resolve_checkpoint
from wenliu.modeling.doctor import examine
from wenliu.modeling.network import build_model, load_model, save_model
from wenliu.params import ModelParams
from wenliu.text.vocabulary import build_character_tokenizer

LABELS = ("物流", "退款")
SMALL = {"hidden_size": 32, "layers": 1, "heads": 2, "intermediate_size": 64, "max_positions": 64}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A frozen problem without any model; nobody asks MLflow for a champion."""
    base = tmp_path / "conf" / "base"
    (base / "parameters").mkdir(parents=True)
    (base / "globals.yml").write_text("problem: p\n")
    (base / "parameters" / "model.yml").write_text(
        "model:\n  checkpoint: scratch  # or a folder\n  seed: 42  # of everything\n"
    )
    (tmp_path / "pyproject.toml").write_text('package_name = "wenliu"')
    nothing = np.zeros(0, np.uint64)
    frozen = Frozen("p", "2026-01-01T00:00:00+00:00", "", LABELS, "wenliu", 0.1, 0.1, (), (),
                    nothing, nothing)  # fmt: skip
    write_frozen(base / "frozen.yml", frozen)
    monkeypatch.chdir(tmp_path)
    champion(monkeypatch, None)
    return tmp_path


def champion(monkeypatch, sha256):
    version = sha256 and SimpleNamespace(number=7, sha256=sha256)
    registry = SimpleNamespace(champion=lambda: version)
    monkeypatch.setattr("wenliu.registry.Registry", lambda *_: registry)


def save_version(project, labels=LABELS, seed=1):
    """A version of `model`, of random weights from scratch."""
    params = ModelParams(seed=seed, scratch=SMALL)
    tokenizer = build_character_tokenizer(["快递三天没动静客服也不回"], 1)
    model = build_model(examine(None, params), head="sequence", labels=labels,
                        vocab_size=tokenizer.get_vocab_size(), params=params)  # fmt: skip
    folder = project / "made"
    save_model(model, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    dataset = VersionedDataset(str(project / "data/06_models/p/model"), "folder")
    dataset.save({path.name: path for path in folder.iterdir()})
    return dataset.resolve_save_version()


def checkpoint(project):
    values = yaml.safe_load((project / "conf/base/parameters/model.yml").read_text("utf-8"))
    return values["model"]["checkpoint"]


def test_a_label_is_added_and_old_classes_keep_their_weights(project):
    save_version(project)
    before = load_model(model_to_grow(project, "p")[0])
    told = add_label(project, None, " 发票 ", "新业务")
    assert "'发票' is label 2 of p." in told
    assert read_frozen(project, "p").labels == ("物流", "退款", "发票")
    name = checkpoint(project)
    assert name.startswith("data/06_models/p/grown/") and name in told
    params = ModelParams(checkpoint=name)
    profile = examine(resolve_checkpoint(params), params)
    after = build_model(profile, head="sequence", labels=["物流", "退款", "发票"],
                        vocab_size=profile["vocab_size"], params=params)  # fmt: skip
    assert torch.equal(after.classifier.weight[:2], before.classifier.weight)
    assert torch.equal(after.classifier.bias[:2], before.classifier.bias)
    for key, weights in before.bert.state_dict().items():
        assert torch.equal(weights, after.bert.state_dict()[key]), key
    written = (project / "conf/base/parameters/model.yml").read_text("utf-8")
    assert "# grown head, 新业务; before: scratch" in written and "# of everything" in written


def test_a_second_label_before_anything_is_trained(project):
    save_version(project)
    add_label(project, None, "发票", "")
    add_label(project, None, "其他", "")
    config = json.loads((project / checkpoint(project) / "config.json").read_text("utf-8"))
    assert list(config["id2label"].values()) == ["物流", "退款", "发票", "其他"]


def test_the_champions_model_is_the_one_that_grows(project, monkeypatch):
    from wenliu.datasets.commit import Lineage
    from wenliu.serving.manifest import build_manifest, read_manifest

    old = save_version(project, seed=1)
    bundle = VersionedDataset(str(project / "data/07_model_output/p/bundle"), "folder")
    bundle.lineage = Lineage(None, "export.build_bundle", {"model": old}, {}, {})
    files = {"labels.json": b"{}"}
    bundle.save({**files, "manifest.json": build_manifest(files, runtime={}, facts={})})
    newer = save_version(project, seed=2)
    folder, reigns = model_to_grow(project, "p")
    assert (folder.parent.name, reigns) == (newer, False)
    champion(monkeypatch, read_manifest(bundle.load())["content_sha256"])
    folder, reigns = model_to_grow(project, "p")
    assert (folder.parent.name, reigns) == (old, True)


def test_another_model_than_the_champions_never_grows(project, monkeypatch):
    """The newest one may be one that was refused."""
    save_version(project)
    champion(monkeypatch, "0" * 64)
    with pytest.raises(UserError, match=r"version 7, was exported from is not on this") as error:
        add_label(project, None, "发票", "")
    assert "wenliu promote" in error.value.remedy
    assert read_frozen(project, "p").labels == LABELS and checkpoint(project) == "scratch"


def test_without_a_champion_it_is_said_that_the_newest_model_grows(project):
    save_version(project)
    assert "the newest (there is no champion yet)" in add_label(project, None, "发票", "")
    assert read_frozen(project, "p").added == ("发票",)


def test_without_a_model_only_the_list_grows(project):
    assert "only the list of labels has grown" in add_label(project, None, "发票", "")
    assert checkpoint(project) == "scratch"
    assert read_frozen(project, "p").labels == ("物流", "退款", "发票")


def test_a_model_of_other_labels_is_left_alone(project):
    save_version(project, labels=("退款", "物流"))
    assert "has other labels (退款, 物流)" in add_label(project, None, "发票", "")
    assert checkpoint(project) == "scratch"


def test_labels_that_cannot_be_added(project):
    with pytest.raises(UserError, match="There is a label '物流' already"):
        add_label(project, None, "物流", "")
    with pytest.raises(UserError, match="cannot be blank"):
        add_label(project, None, "\u3000", "")
    (project / "conf/base/frozen.yml").unlink()
    with pytest.raises(UserError, match="are not fixed") as error:
        add_label(project, None, "发票", "")
    assert "wenliu freeze" in error.value.remedy


def test_the_list_with_counts(project):
    assert describe_labels(project, "p").splitlines()[0] == "p: 2 labels, frozen since 2026-01-01"
    report = VersionedDataset(str(project / "data/08_reporting/p/ingestion_report"), "json")
    report.save({"labels": {"物流": 1200}})
    lines = describe_labels(project, "p").splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["0", "物流", "1,200", "rows"], ["1", "退款", "no", "rows", "yet"],
    ]  # fmt: skip
    (project / "conf/base/frozen.yml").unlink()
    assert describe_labels(project, "p").startswith("p: 1 labels, not frozen")


@pytest.mark.parametrize(
    ("name", "before"),
    [
        (None, None),
        ("parameters/model.yml", "model:\n  seed: 1\n"),
        ("parameters/model.yml", "model:\n  seed: 1\n  checkpoint: hfl/x  # ours\n"),
        ("parameters.yml", "cleaning:\n  repeats: 2\nmodel:\n  checkpoint: hfl/x\n"),
    ],
)
def test_the_configuration_of_a_problem_is_changed_line_by_line(project, name, before):
    folder = project / "conf" / "hotel"
    folder.mkdir()
    (folder / "globals.yml").write_text("problem: hotel\n")
    path = folder / (name or "parameters/model.yml")
    path.parent.mkdir(exist_ok=True)
    if before:
        path.write_text(before)
    written, was = point_at(project, "hotel", "data/grown", "")
    assert (written, was) == (path, "hfl/x" if before and "hfl" in before else "scratch")
    values = yaml.safe_load(path.read_text())
    kept = yaml.safe_load(before or "model: {}\n")
    kept["model"]["checkpoint"] = "data/grown"
    assert values == kept
    assert checkpoint(project) == "scratch"


def test_a_line_that_cannot_be_changed_is_left(project):
    path = project / "conf/base/parameters/model.yml"
    path.write_text("model: {checkpoint: scratch}\n")
    with pytest.raises(UserError, match="is not changed here") as error:
        point_at(project, None, "data/grown", "")
    assert "model.checkpoint: data/grown" in error.value.remedy
    assert path.read_text() == "model: {checkpoint: scratch}\n"
