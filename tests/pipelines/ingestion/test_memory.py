"""Files that were read on another night are looked up, and their parts linked."""

import pytest

from wenliu.datasets import ArrowTableDataset
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.nodes import read_examples
from wenliu.readers import files

LABELS = ["物流", "退款"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WENLIU_MEMO", "on")
    monkeypatch.setattr("wenliu.memo._place", lambda: tmp_path / "memo")
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def write(folder, name, start, rows=50):
    lines = [
        f"第{i}位顾客的留言,{LABELS[i % 2]},n{i},g{i // 5}" for i in range(start, start + rows)
    ]
    (folder / name).write_text("\n".join(["text,label,id,group", *lines, "没有标签,,,"]), "utf-8")


def read(folder, **params):
    paths = sorted(folder.iterdir())
    return read_examples(paths, {}, IngestionParams(max_bad_rows=0.1, **params))


def plain(result):
    return [each if isinstance(each, dict) else each.table().to_pylist() for each in result]


def refuse(*_, **__):
    raise AssertionError("a file was read again")


def test_a_second_night_reads_the_new_file_only(folder, monkeypatch):
    write(folder, "a.csv", 0)
    write(folder, "b.csv", 50)
    before = read(folder)
    write(folder, "c.csv", 100, rows=5)
    with monkeypatch.context() as patch:
        opened = []
        rows = files.iter_rows
        patch.setattr(
            files, "iter_rows", lambda path, how: opened.append(path.name) or rows(path, how)
        )
        after = read(folder)
        assert opened == ["c.csv"]
    # Ids of rows that were there stay what they were.
    assert plain(after)[0][: before[0].num_rows] == plain(before)[0]
    monkeypatch.setenv("WENLIU_MEMO", "off")
    assert plain(read(folder)) == plain(after)


def test_other_bytes_under_the_same_name_are_read(folder):
    write(folder, "a.csv", 0)
    assert read(folder)[0].column("text")[0].as_py() == "第0位顾客的留言"
    write(folder, "a.csv", 10)
    assert read(folder)[0].column("text")[0].as_py() == "第10位顾客的留言"


def test_nothing_new_reads_nothing(folder, monkeypatch):
    write(folder, "a.csv", 0)
    before = plain(read(folder))
    monkeypatch.setattr("wenliu.readers.files.iter_rows", refuse)
    monkeypatch.setattr("wenliu.pipelines.ingestion.looking.sniff", refuse)
    assert plain(read(folder)) == before


def test_parts_of_unchanged_files_are_linked(folder, tmp_path):
    write(folder, "a.csv", 0)
    ArrowTableDataset(str(tmp_path / "one")).save(read(folder)[0])
    write(folder, "b.csv", 50)
    ArrowTableDataset(str(tmp_path / "two")).save(read(folder)[0])
    one, two = (
        {path.stat().st_ino for path in (tmp_path / name).glob("part-00000*")}
        for name in ("one", "two")
    )
    assert one and one == two


def test_what_else_matters_is_part_of_the_key(folder):
    """The same bytes read in another way, or under another name, are read again."""
    write(folder, "a.csv", 0)
    columns = {"text": "text", "label": "label", "id": "id"}
    assert read(folder)[0].column("id")[0].as_py() == "a.csv:2"
    assert read(folder, columns=columns)[0].column("id")[0].as_py() == "n0"
    assert read(folder, columns=columns, limit=5)[0].num_rows == 5
    assert read(folder, columns={**columns, "text": "group"})[0].column("text")[0].as_py() == "g0"
    (folder / "a.csv").rename(folder / "train.csv")
    write(folder, "test.csv", 50)
    splits = read(folder)[0].column("split").to_pylist()
    assert splits[0] == "test" and splits[-1] == "train"


def test_a_changed_label_rewrites_numbers_and_no_text(folder, tmp_path):
    write(folder, "a.csv", 0)
    first = read(folder)[0]
    second = read_examples(
        sorted(folder.iterdir()), {"labels": ["退款", "物流"]}, IngestionParams(max_bad_rows=0.1)
    )[0]
    assert first.digests(["text", "id"]) == second.digests(["text", "id"])
    assert first.column("label_id")[0].as_py() != second.column("label_id")[0].as_py()
    assert first.parts[0].columns["text"].path == second.parts[0].columns["text"].path
