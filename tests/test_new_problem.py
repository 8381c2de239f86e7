"""`wenliu new`: a problem in ten lines from somebody's own file."""

import hashlib
import json

import openpyxl
import pytest
import yaml

from wenliu.datasets import RawFiles
from wenliu.display import columns_of_text, shorten, width
from wenliu.errors import UserError
from wenliu.inbox import stored_name
from wenliu.new_problem import create
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.nodes import read_examples

WORDS = ["床铺很干净", "早餐一般般", "前台很热情", "隔音太差了", "NA", "离地铁很近"]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "conf" / "base").mkdir(parents=True)
    (tmp_path / "conf" / "base" / "globals.yml").write_text("problem: feedback_topics\n")
    return tmp_path


def workbook(path):
    book = openpyxl.Workbook()
    book.active.append(["三季度酒店点评汇总"])
    book.active.append(["编号", "点评内容", "评价类别", "房号"])
    for i in range(60):
        book.active.append([i + 1, f"{WORDS[i % 6]}{i}", ["NA", "好评", "差评"][i % 3], "007"])
    book.save(path)
    return path


def configuration(project, name):
    folder = project / "conf" / name
    files = {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in folder.rglob("*.yml")}
    return {path: yaml.safe_load(text) for path, text in files.items()}, files


def run_ingestion(project, name):
    """What a run would do with the configuration."""
    conf, _ = configuration(project, name)
    entry = dict(conf["catalog.yml"]["raw_files"])
    assert entry.pop("type") == "wenliu.datasets.RawFiles"
    path = entry.pop("path")
    raw_files = RawFiles(str(project / path), **entry).load()
    params = IngestionParams(**conf["parameters/ingestion.yml"]["ingestion"])
    return read_examples(raw_files, {}, params)


def test_a_workbook(project):
    told = create("hotel", [workbook(project / "点评.xlsx")], project)
    conf, files = configuration(project, "hotel")
    assert conf["globals.yml"] == {"problem": "hotel"}
    assert conf["catalog.yml"]["raw_files"]["path"] == "点评.xlsx"
    columns = conf["parameters/ingestion.yml"]["ingestion"]["columns"]
    assert columns == {"text": "点评内容", "label": "评价类别", "id": "编号"}
    assert sum(len(text.splitlines()) for text in files.values()) <= 15
    assert "60 rows, 3 labels" in told
    assert "kedro run --env hotel" in told
    assert "wenliu freeze --env hotel" in told and "--pipelines nightly --env hotel" in told
    assert "data/01_raw/hotel/inbox/" in told
    assert (project / "data/01_raw/hotel/inbox").is_dir()
    assert told.count("\n  ") > 8
    examples, _, label_map, _ = run_ingestion(project, "hotel")
    assert label_map["labels"] == ["NA", "好评", "差评"]
    assert examples.column("id")[0].as_py() == "1"


def test_a_gb18030_csv_outside_the_project(project, tmp_path_factory):
    path = tmp_path_factory.mktemp("else where") / "问诊[1].csv"
    lines = [f'内科,第{i}个人头疼怎么办,"多喝水，多休息，\n过几天再来{i}"' for i in range(30)]
    lines += [f"外科,第{i}个人手疼怎么办,换药以后不要沾水，三天以后再来复查{i}" for i in range(30)]
    path.write_bytes("\n".join(["department,ask,answer", *lines]).encode("gb18030"))
    told = create("clinic", [path], project, label="department")
    conf, _ = configuration(project, "clinic")
    ingestion = conf["parameters/ingestion.yml"]["ingestion"]
    assert ingestion["encoding"] == "gb18030"
    assert ingestion["columns"] == {"text": "ask", "label": "department"}
    assert "'answer' sounds like a reply" in told
    examples, _, _, _ = run_ingestion(project, "clinic")
    assert examples.num_rows == 60


def test_several_files_with_splits_and_names(project):
    folder = project / "data" / "新闻"
    folder.mkdir(parents=True)
    for name in ("train", "dev", "test"):
        rows = [f"第{i}个{name}新闻的标题\t{i % 2}" for i in range(20)]
        (folder / f"{name}.txt").write_text("\n".join(rows), "utf-8")
    (folder / "class.txt").write_text("体育\n财经\n", "utf-8")
    told = create("news", [folder], project)
    conf, _ = configuration(project, "news")
    assert conf["parameters/ingestion.yml"]["ingestion"] == {
        "encoding": "utf-8",
        "quoting": "none",
        "header": False,
        "columns": {"text": 0, "label": 1},
        "label_names": "class.txt",
        "splits": {"dev.txt": "validation", "test.txt": "test", "train.txt": "train"},
    }
    assert "体育 30, 财经 30" in told
    # Three files that are understood alike are told of once.
    assert told.count("encoding") == 1
    _, _, label_map, report = run_ingestion(project, "news")
    assert label_map["labels"] == ["体育", "财经"]
    assert report["splits"]["validation"] == 20


def test_jsonl_and_a_glob(project):
    for part in "ab":
        rows = [
            {"正文": f"{part}{i}快递还没到", "类别": ["退款", "物流"][i % 2]} for i in range(10)
        ]
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (project / f"{part}.jsonl").write_text(lines, "utf-8")
    create("mail", [project / "*.jsonl"], project)
    assert run_ingestion(project, "mail")[3]["rows"] == 20


def test_a_link_that_the_user_names_is_followed(project):
    (project / "link.xlsx").symlink_to(workbook(project / "a.xlsx"))
    create("hotel", [project / "link.xlsx"], project)
    assert run_ingestion(project, "hotel")[3]["rows"] == 60


@pytest.mark.parametrize(
    "name", ["base", "Local", "../x", "a b", "酒店", "", "1st", "a/b", "hotel-1"]
)
def test_impossible_names(project, name):
    with pytest.raises(UserError, match="cannot be called"):
        create(name, [workbook(project / "a.xlsx")], project)


def test_a_name_that_is_taken(project):
    path = workbook(project / "a.xlsx")
    create("hotel", [path], project)
    for name in ("hotel", "Hotel"):
        with pytest.raises(UserError, match="already"):
            create(name, [path], project)
    assert "kedro run" in create("hotel", [path], project, force=True)


def test_files_of_its_inbox_join_those_it_was_made_from(project, monkeypatch):
    create("hotel", [workbook(project / "点评.xlsx")], project)
    accepted = project / "data" / "01_raw" / "hotel" / "accepted"
    entry = configuration(project, "hotel")[0]["catalog.yml"]["raw_files"]
    assert project / entry["accepted"] == accepted
    accepted.mkdir(parents=True)
    # In another format than the first file, whose sheet and header were written down.
    content = "点评内容,评价类别,编号\n" + "".join(f"新的点评{i},好评,x{i}\n" for i in range(20))
    path = accepted / "name.csv"
    path.write_bytes(content.encode("gb18030"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(accepted / stored_name("20260101T020000Z", sha256, "七月.csv"))
    (project / "pyproject.toml").write_text('package_name = "wenliu"')
    monkeypatch.chdir(project)
    examples, _, _, report = run_ingestion(project, "hotel")
    assert report["rows"] == examples.num_rows == 80
    assert examples.column("id")[60].as_py() == "x0"


def test_names_of_problems_in_other_environments(project):
    path = workbook(project / "a.xlsx")
    for name in ("feedback_topics", "Feedback_Topics"):
        for force in (False, True):
            with pytest.raises(UserError, match="the bundled one"):
                create(name, [path], project, force=force)
    create("hotel", [path], project)
    (project / "conf" / "hotel" / "globals.yml").write_text("problem: reviews\n")
    with pytest.raises(UserError, match="'reviews' already"):
        create("reviews", [path], project)
    assert not (project / "conf" / "reviews").exists()


def sheets(path, tables):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def reviews(column="点评", count=60):
    return [[column, "类别"], *([f"{WORDS[i % 6]}{i}", "好差"[i % 2]] for i in range(count))]


NOTES = [["说明", "备注"], ["本表由前台汇总", "2026"], ["请勿外传", "2025"]]


def test_the_first_sheet_with_a_table_is_taken_and_pinned(project):
    path = sheets(
        project / "a.xlsx",
        {"说明": NOTES, "空": [], "点评": reviews(), "旧点评": reviews(count=20)},
    )
    told = create("hotel", [path], project)
    assert "'点评', the first with texts and labels; not read: '说明', '空', '旧点评'" in told
    conf, _ = configuration(project, "hotel")
    assert conf["parameters/ingestion.yml"]["ingestion"]["sheet"] == "点评"
    assert run_ingestion(project, "hotel")[3]["rows"] == 60
    for name, sheet in (("by_name", "旧点评"), ("by_position", "3")):
        create(name, [path], project, sheet=sheet)
        conf, _ = configuration(project, name)
        assert conf["parameters/ingestion.yml"]["ingestion"]["sheet"] == "旧点评"
        assert run_ingestion(project, name)[3]["rows"] == 20


def test_without_a_table_the_sheets_are_named(project):
    path = sheets(project / "a.xlsx", {"说明": NOTES, "空": []})
    with pytest.raises(UserError, match="'空': The worksheet is empty") as error:
        create("hotel", [path], project)
    assert "sheets '说明', '空'" in error.value.where
    assert "--sheet" in error.value.remedy
    with pytest.raises(UserError, match="there are '说明', '空'"):
        create("hotel", [path], project, sheet="点评")


def test_workbooks_whose_sheets_differ_cannot_be_one_problem(project):
    one = sheets(project / "a.xlsx", {"说明": NOTES, "点评": reviews()})
    same = sheets(project / "b.xlsx", {"点评": reviews()})
    other = sheets(project / "c.xlsx", {"数据": reviews()})
    create("hotel", [one, same], project)
    assert run_ingestion(project, "hotel")[3]["rows"] == 120
    with pytest.raises(UserError, match="sheets of different names"):
        create("hotel2", [one, other], project)


def test_short_texts_that_are_not_chinese(project):
    rows = [f"{'good' if i % 2 else 'bad'},{'pos' if i % 2 else 'neg'}" for i in range(40)]
    (project / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    create("english", [project / "a.csv"], project)
    conf, _ = configuration(project, "english")
    columns = conf["parameters/ingestion.yml"]["ingestion"]["columns"]
    assert columns == {"text": "text", "label": "label"}


@pytest.mark.parametrize(
    ("content", "options", "found", "remedy"),
    [
        ("a,b\n1,2\n3,4\n", {}, "No text column", "--text"),
        ("text,n\n好的呀,1\n坏的呀,2\n", {}, "No label column", "--label"),
        ("text,label\n好的呀,x\n坏的呀,x\n", {}, "All rows have the label 'x'", "--label"),
        (
            "text,label\n" + "".join(f"第{i}条,标{i}\n" for i in range(300)),
            {},
            "300 different values",
            "--label",
        ),
        ("text,label\n好的呀,x\n坏的呀,y\n", {"label": "none"}, "'text', 'label'", "name one"),
        ("", {}, "empty", ""),
        (
            "text,label\n好的呀,x\n坏的呀,y\n",
            {"text": "label", "label": "label"},
            "both for the text and the label",
            "'text', 'label'",
        ),
    ],
)
def test_files_that_are_no_problem(project, content, options, found, remedy):
    path = project / "a.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(UserError) as error:
        create("p", [path], project, **options)
    assert found in error.value.found
    assert remedy in error.value.remedy
    assert not (project / "conf" / "p").exists()


def test_a_file_that_is_missing(project):
    with pytest.raises(UserError, match=r"There is no file none\.csv"):
        create("p", [project / "none.csv"], project)
    (project / "empty").mkdir()
    with pytest.raises(UserError, match="holds no data files"):
        create("p", [project / "empty"], project)


def test_classes_too_small_to_split_are_noted(project):
    rows = [f"第{i}条留言,好" for i in range(30)] + ["另一条留言,坏"] * 2
    (project / "a.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    assert "too few rows to split: 坏 (2)" in create("p", [project / "a.csv"], project)


def test_chinese_is_aligned_by_display_width():
    assert width("中文ab") == 6
    assert width("e\u0301\u200b") == 1
    assert shorten("很长的一句话", 7) == "很长的…"
    assert shorten("两\n行\x1b[31m", 20) == "两 行 [31m"
    lines = columns_of_text([["中文", "x"], ["abcde", "y"]])
    assert [width(line) for line in lines] == [10, 10]
