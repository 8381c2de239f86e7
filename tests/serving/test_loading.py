"""The champion serves; where it fails the one before goes on."""

from __future__ import annotations

import json
import logging
import shutil

import pytest

from wenliu.champion_folder import ChampionFolder
from wenliu.errors import UserError
from wenliu.serving.bundle import Bundle
from wenliu.serving.loading import load_bundle
from wenliu.serving.manifest import BundleError

PROBLEM = "tiny"


@pytest.fixture
def project(tiny_problem, tmp_path):
    """Version 2 is the champion, version 1 was."""
    folders = ChampionFolder(tmp_path, PROBLEM)
    sha256 = Bundle.load(tiny_problem.bundle).sha256
    for number, name in ((1, "previous"), (2, "champion")):
        folders.fill(number, sha256, lambda: tiny_problem.bundle)
        folders.show(name, number)
    return tmp_path


def copies(project):
    return project / "data/07_model_output" / PROBLEM / "champions"


def test_the_champion_serves_from_its_real_folder(project):
    bundle, which = load_bundle(project, PROBLEM, engine="onnxruntime")
    assert which == "the champion of tiny"
    assert bundle.predict(["快递三天了还没到"])[0].label


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "labels.json", "manifest.json"])
def test_a_champion_with_one_flipped_byte_leaves_it_to_the_previous(project, name, caplog):
    """Reliability 18: refused; and the old one is kept."""
    path = copies(project) / "2" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        _, which = load_bundle(project, PROBLEM, engine="onnxruntime")
    assert which == "the previous champion of tiny"
    assert "The champion is not used" in caplog.text


def test_a_champion_that_answers_with_no_number_leaves_it_to_the_previous(
    project, monkeypatch, caplog
):
    """A self-test: every checksum is right and the model still does not serve."""
    right, calls = Bundle.token_logits, []

    def wrong_at_first(self, *arguments):
        calls.append(arguments)
        logits = right(self, *arguments)
        return logits * float("nan") if len(calls) == 1 else logits

    monkeypatch.setattr(Bundle, "token_logits", wrong_at_first)
    _, which = load_bundle(project, PROBLEM, engine="onnxruntime")
    assert which == "the previous champion of tiny"
    assert "no number" in caplog.text


def test_a_champion_whose_folder_is_gone_leaves_it_to_the_previous(project, caplog):
    shutil.rmtree(copies(project) / "2")
    _, which = load_bundle(project, PROBLEM, engine="onnxruntime")
    assert which == "the previous champion of tiny"
    assert "folder is gone" in caplog.text


def test_when_both_fail_nothing_is_made_up(project):
    for number in "12":
        (copies(project) / number / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleError):
        load_bundle(project, PROBLEM, engine="onnxruntime")


def test_what_was_asked_for_is_not_replaced_by_something_else(project):
    (copies(project) / "2" / "model.onnx").write_bytes(b"x")
    with pytest.raises(BundleError):
        load_bundle(project, PROBLEM, str(copies(project) / "2"), engine="onnxruntime")


def test_an_engine_that_is_not_there_is_no_fault_of_the_champion(project, caplog):
    with pytest.raises(UserError) as error:
        load_bundle(project, PROBLEM, engine="onnxruntime", precision="bf16")
    assert not isinstance(error.value, BundleError)
    assert "not used" not in caplog.text


def test_who_has_loaded_keeps_the_folder_while_another_is_promoted(project, tiny_problem):
    """Consumers pin: the link is followed once."""
    from wenliu.serving.locate import locate_bundle

    folder, _ = locate_bundle(project, PROBLEM)
    folders = ChampionFolder(project, PROBLEM)
    folders.fill(3, Bundle.load(tiny_problem.bundle).sha256, lambda: tiny_problem.bundle)
    folders.show("previous", 2)
    folders.show("champion", 3)
    assert folder == copies(project) / "2"
    assert json.loads((folder / "labels.json").read_text())["labels"]
    assert locate_bundle(project, PROBLEM)[0] == copies(project) / "3"
