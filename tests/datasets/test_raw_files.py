"""Which files of a folder are raw data."""

import pytest
from kedro.io import DatasetError

from wenliu.datasets import RawFiles


@pytest.fixture
def folder(tmp_path):
    for name in ("b.csv", "a.jsonl", ".hidden", "README.md"):
        (tmp_path / name).write_text("x")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "later.csv").write_text("x")
    (tmp_path / "link.csv").symlink_to(tmp_path / "b.csv")
    return tmp_path


def names(dataset):
    return [path.name for path in dataset.load()]


def test_a_folder_means_its_files_but_hidden_ones_notes_links_and_subfolders(folder):
    assert names(RawFiles(str(folder))) == ["a.jsonl", "b.csv"]


def test_a_glob_a_file_and_a_list(folder):
    assert names(RawFiles(str(folder / "*.csv"))) == ["b.csv"]
    assert names(RawFiles(str(folder / "a.jsonl"))) == ["a.jsonl"]
    assert names(RawFiles(str(folder), files=["b.csv", "*.jsonl"])) == ["a.jsonl", "b.csv"]


def test_no_files_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError) as error:
        RawFiles(str(tmp_path)).load()
    assert "wenliu new" in str(error.value.__cause__)


def test_a_named_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DatasetError) as error:
        RawFiles(str(tmp_path / "gone.csv")).load()
    assert "gone.csv" in str(error.value.__cause__)


def test_what_came_through_the_inbox_comes_last_and_oldest_first(folder):
    accepted = folder / "accepted"
    accepted.mkdir()
    stored = ["20260102T020000Z_0123456789ab_a.csv", "20260101T020000Z_ba9876543210_b.csv"]
    for name in (*stored, "put here by hand.csv", ".123"):
        (accepted / name).write_text("x")
    (accepted / "20260103T020000Z_0123456789ab_l.csv").symlink_to(folder / "b.csv")
    own = ["a.jsonl", "b.csv"]
    assert names(RawFiles(str(folder))) == [*own, *sorted(stored)]
    one = RawFiles(str(folder / "a.jsonl"), accepted=str(accepted))
    assert names(one) == ["a.jsonl", *sorted(stored)]
    assert names(RawFiles(str(folder / "a.jsonl"))) == ["a.jsonl"]


def test_a_problem_may_begin_with_its_inbox(tmp_path):
    (tmp_path / "accepted").mkdir()
    (tmp_path / "accepted" / "20260101T020000Z_0123456789ab_a.csv").write_text("x")
    assert len(names(RawFiles(str(tmp_path)))) == 1


def test_without_files_there_is_nothing_and_no_error(tmp_path):
    """So that a run may begin with the inbox."""
    assert not RawFiles(str(tmp_path)).exists()
    (tmp_path / "a.csv").write_text("x")
    assert RawFiles(str(tmp_path)).exists()
