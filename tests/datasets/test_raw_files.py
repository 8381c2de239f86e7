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
