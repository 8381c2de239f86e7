"""Which files are new: all with which no night has passed."""

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node

from wenliu.datasets import SettledIntakesDataset
from wenliu.hooks.lineage import lineage_of, unknown_inputs
from wenliu.inbox import Folders
from wenliu.settled import NOTHING_SETTLED, pending_sources, read_settled, settle_all, settle_file

SHA = "0123456789ab"


@pytest.fixture
def folders(tmp_path):
    found = Folders(tmp_path)
    found.accepted.mkdir()
    return found


def arrive(folders, night, name="a.csv"):
    stored = f"2026010{night}T000000Z_{SHA}_{name}"
    (folders.accepted / stored).touch()
    return stored


def pending(folders):
    sources = ["own.csv", *(path.name for path in folders.accepted.iterdir())]
    return pending_sources(sources, read_settled(folders))


def test_files_stay_new_until_a_night_has_passed_with_them(folders):
    assert read_settled(folders) == NOTHING_SETTLED
    one = arrive(folders, 1)
    assert pending(folders) == [{one}]
    settle_all(folders, [])
    two = arrive(folders, 2)
    assert pending(folders) == [{two}]
    three, other = arrive(folders, 3), arrive(folders, 3, "b.csv")
    assert pending(folders) == [{two}, {three, other}, {two, three, other}]
    settle_file(folders, two, "season")
    assert pending(folders) == [{three, other}]
    settle_all(folders, [])
    four = arrive(folders, 4)
    assert pending(folders) == [{four}]


def test_a_night_without_new_files_finds_what_the_night_before_it_found(folders):
    """Else passing a night would itself be a change, and the next night would do all again."""
    first = arrive(folders, 1)
    settle_all(folders, [])
    second = arrive(folders, 2)
    before = read_settled(folders)
    for _ in range(3):
        settle_all(folders, [])
        assert read_settled(folders) == before
        assert pending(folders) == [{second}]
    assert len(folders.settled.read_text("utf-8").splitlines()) == 2
    (folders.accepted / second).unlink()  # taken out again: as on the night before
    assert pending(folders) == [{first}]


def test_labels_that_have_had_rows_are_remembered(folders):
    arrive(folders, 1)
    settle_all(folders, [])
    settle_all(folders, ["发票"])
    assert read_settled(folders)["labels"] == ["发票"]


def use(settled):
    return settled


def test_a_skipping_run_knows_what_is_settled_before_it_loads_it(folders):
    catalog = DataCatalog({"settled_intakes": SettledIntakesDataset(str(folders.root))})
    node = Node(use, ["settled_intakes"], "out")
    assert unknown_inputs(node, catalog) == []
    arrive(folders, 1)
    before = lineage_of(node, catalog, None).fingerprint
    settle_all(folders, [])
    assert lineage_of(node, catalog, None).fingerprint == before
    arrive(folders, 2)
    assert lineage_of(node, catalog, None).fingerprint != before
