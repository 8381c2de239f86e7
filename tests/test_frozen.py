"""The file that says which rows judge models: what is written is read, and nothing else."""

import time

import numpy as np
import pytest

from wenliu.datasets import FrozenSetsDataset
from wenliu.errors import UserError
from wenliu.frozen import Frozen, form_hashes, is_audit, read_content, read_frozen, write_frozen


def frozen(problem="reviews", gate=("一", "二", "三"), audit=("四",), **changes) -> Frozen:
    fields = {
        "problem": problem,
        "frozen_at": "2026-11-01T02:00:00+00:00",
        "reason": "",
        "labels": ("好评", "off", "7"),
        "salt": "wenliu",
        "test": 0.1,
        "validation": 0.1,
        "dealt": ("test", "validation"),
        "undealt": (),
        "gate": np.sort(form_hashes(list(gate))),
        "audit": np.sort(form_hashes(list(audit))),
    }
    return Frozen(**{**fields, **changes})


@pytest.fixture
def project(tmp_path):
    for env, problem in (("base", "bundled"), ("reviews", "reviews"), ("other", "other")):
        folder = tmp_path / "conf" / env
        folder.mkdir(parents=True)
        (folder / "globals.yml").write_text(f"problem: {problem}\n")
    return tmp_path


def same(one: Frozen, other: Frozen) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_what_is_written_is_read_for_this_problem_only(project):
    written = frozen(undealt=("旧 文件.csv", "b: c.csv"), reason="标签“改”了")
    write_frozen(project / "conf/reviews/frozen.yml", written)
    assert same(read_frozen(project, "reviews"), written)
    assert read_frozen(project, "other") is read_frozen(project, "bundled") is None
    write_frozen(project / "conf/base/frozen.yml", frozen("bundled", gate=(), audit=()))
    assert len(read_frozen(project, "bundled").gate) == 0
    assert read_frozen(project, "other") is None


def test_a_file_copied_from_another_problem_is_refused(project):
    write_frozen(project / "conf/other/frozen.yml", frozen())
    with pytest.raises(UserError, match="those of 'reviews', not of 'other'") as error:
        read_frozen(project, "other")
    assert error.value.where.endswith("conf/other/frozen.yml") and error.value.remedy


@pytest.mark.parametrize("damage", ["gate: [", "just text", "\x00", ""])
def test_a_file_that_is_no_yaml_is_refused(project, damage):
    (project / "conf/reviews/frozen.yml").write_text(damage)
    with pytest.raises(UserError, match="cannot be read") as error:
        read_frozen(project, "reviews")
    assert "reviews/frozen.yml" in error.value.where


@pytest.mark.parametrize(
    "change", [("gate: |", "gates: |"), ("  ", "  x"), ("test: 0.1", "test: a")]
)
def test_content_that_makes_no_sense_is_refused(project, change):
    path = project / "conf/reviews/frozen.yml"
    write_frozen(path, frozen())
    path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        read_frozen(project, "reviews")


def test_two_files_for_one_problem_are_refused(project):
    (project / "conf/again").mkdir()
    (project / "conf/again/globals.yml").write_text("problem: reviews\n")
    for env in ("reviews", "again"):
        write_frozen(project / "conf" / env / "frozen.yml", frozen())
    with pytest.raises(UserError, match="frozen 2 times"):
        read_frozen(project, "reviews")


def test_two_hundred_thousand_hashes_are_read_in_two_seconds(project):
    hashes = np.sort(np.random.default_rng(0).integers(0, 2**64, 200_000, np.uint64))
    path = project / "conf/reviews/frozen.yml"
    write_frozen(path, frozen(gate=(), audit=()).__class__(**{**vars(frozen()), "gate": hashes}))
    start = time.process_time()
    found = read_frozen(project, "reviews")
    assert time.process_time() - start < 2
    assert np.array_equal(found.gate, hashes)


def test_the_dataset_loads_the_content_and_knows_when_it_changed(project):
    dataset = FrozenSetsDataset(str(project / "conf"), "reviews")
    assert dataset.load() == {} and not dataset.exists()
    before = dataset.checksum()
    write_frozen(project / "conf/reviews/frozen.yml", frozen())
    assert dataset.load() == read_content(project, "reviews")
    assert dataset.load()["labels"] == ["好评", "off", "7"]
    assert dataset.exists() and dataset.checksum() != before
    with pytest.raises(Exception, match="wenliu freeze"):
        dataset.save({})


def test_the_halves_are_halves_and_do_not_hang_on_the_split():
    forms = [f"第{number}条留言" for number in range(4000)]
    audit = [is_audit(form, "wenliu") for form in forms]
    assert abs(sum(audit) - 2000) < 150
    assert audit == [is_audit(form, "wenliu") for form in forms]
    assert audit != [is_audit(form, "other") for form in forms]


def test_each_hash_knows_its_set():
    sets = frozen().sets_of(form_hashes(["四", "一", "五", "三"]))
    assert sets.tolist() == [1, 0, -1, 0]
