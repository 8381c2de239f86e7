"""Finished files are taken once, bad ones into quarantine, and nothing is lost."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wenliu.inbox import intakes, parse_stored, report_of, stored_name
from wenliu.intake.verdict import judge_file
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.nodes import read_examples

from .conftest import LABELS, Inbox, table


def test_good_files_are_accepted_and_read_by_the_next_run(inbox):
    inbox.drop("七月.csv", table(30, 100))
    [file] = inbox.take().files
    assert (file.outcome, file.rows, file.bad_rows, file.reason) == ("accepted", 30, 0, "")
    stamp, sha12, name = parse_stored(file.stored)
    assert name == "七月.csv" and file.sha256.startswith(sha12)
    assert inbox.raw() == [inbox.first, inbox.folders.accepted / file.stored]
    assert not list(inbox.folders.inbox.glob("*.csv"))
    examples, _, _, report = read_examples(inbox.raw(), {}, IngestionParams())
    assert set(examples.column("source").to_pylist()) == {"first.csv", file.stored}
    assert report["rows"] == 130
    assert intakes(inbox.project, "p")[-1].stamp == stamp


def test_the_same_file_is_taken_once(inbox):
    """Reliability 11: dropped twice, under any name, in one intake or in two: no row twice."""
    inbox.drop("a.csv", table(30, 100))
    inbox.drop("b.csv", table(30, 100))
    inbox.drop("c.csv", inbox.first.read_text("utf-8"))
    assert inbox.outcomes() == {"a.csv": "accepted", "b.csv": "duplicate", "c.csv": "duplicate"}
    inbox.drop("a.csv", table(30, 100))
    [file] = inbox.take().files
    assert (file.outcome, file.rows) == ("duplicate", 30)
    assert "same content as" in file.reason
    assert len(inbox.raw()) == 2
    assert read_examples(inbox.raw(), {}, IngestionParams())[3]["rows"] == 130


def test_an_intake_without_files_is_recorded(inbox):
    assert inbox.take().files == ()
    assert intakes(inbox.project, "p")[-1].files == ()


@pytest.mark.parametrize(
    ("name", "content", "reason", "where"),
    [
        ("empty.csv", "", "is empty", "line 1"),
        ("header.csv", "text,label\n", "a header and no rows", "line 1"),
        ("quote.csv", 'text,label\n好,物流\n"没关,退款\n', "not closed", "line 3"),
        ("comma.csv", "text,label\n好,物流\n坏,退款,1\n", "3 fields where there are 2", "line 3"),
        ("short.csv", "text,label\n好,物流\n坏\n", "it is short", "line 3"),
        ("twice.csv", "text,text,label\n好,好,物流\n", "more than once", "line 1"),
        ("nul.csv", "text,label\n好\0,物流\n坏,退款\n", "1 of 2 rows are bad", "line 2"),
        ("fffd.csv", "text,label\n好\ufffd,物流\n坏,退款\n", "1 of 2 rows are bad", "line 2"),
        ("bytes.csv", table(9).replace("第1", "\udcff").encode("utf-8", "surrogateescape"),
         "1 of 9 rows are bad", "line 3"),
        ("columns.csv", "a,b\n1,2\n3,4\n", "No text column", "columns.csv"),
        ("other.csv", table(20, labels=["甲", "乙"]), "None of its labels is known", "'label'"),
        ("a.xlsx", "text,label\n", "does not start as one", "a.xlsx"),
        ("cut.csv.gz", gzip.compress(table(50).encode())[:-9], "damaged or incomplete", "cut"),
        ("cut.parquet", b"PAR1" + b"x" * 99, "", "cut.parquet"),
        ("a.pdf", b"%PDF-1.7 ...", "is a PDF", "a.pdf"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[-9:] else "",
)  # fmt: skip
def test_bad_files_go_to_quarantine_and_good_ones_go_on(inbox, name, content, reason, where):
    """Reliability 20 and 22: a report with the line, never a traceback, and the others go on."""
    inbox.drop(name, content)
    inbox.drop("zz good.csv", table(30, 100))
    bad, good = inbox.take().files
    assert (bad.name, bad.outcome, good.outcome) == (name, "quarantined", "accepted")
    assert reason in bad.reason
    stored = inbox.folders.quarantine / bad.stored
    before = content if isinstance(content, bytes) else content.encode()
    assert stored.read_bytes() == before
    report = json.loads(report_of(stored).read_text("utf-8"))
    assert report["reason"] == bad.reason and where in report["where"] and report["to_do"]
    assert ".claimed" not in report["where"]


def test_what_a_report_counts(inbox):
    inbox.drop("a.csv", table(40) + "没有标签,\n\n" * 2)
    inbox.drop("b.csv", 'text,label\n好,物流\n\n"没关,退款\n坏,退款')
    judged, lines = inbox.take().files
    assert (judged.rows, judged.bad_rows) == (42, 2)
    assert lines.rows == 3
    report = json.loads(report_of(inbox.folders.quarantine / judged.stored).read_text("utf-8"))
    assert report["first_bad_rows"][0] == {
        "line": 42, "column": "label", "reason": "the label is empty",
    }  # fmt: skip
    assert "顾客" not in json.dumps(report, ensure_ascii=False)


def test_bad_rows_of_a_good_file_go_to_the_table_of_bad_rows(inbox):
    inbox.drop("a.csv", table(150, 100) + "没有标签,\n")
    [file] = inbox.take().files
    assert (file.outcome, file.rows, file.bad_rows) == ("accepted", 151, 1)
    _, quarantine, _, _ = read_examples(inbox.raw(), {}, IngestionParams())
    assert quarantine.column("source").to_pylist() == [file.stored]


def test_encodings_and_formats_other_than_the_first_file(inbox):
    """Reliability 20: what `wenliu new` wrote down for the first file ruins no later one."""
    inbox.drop("bom.csv", table(30, 100).encode("utf-8-sig"))
    inbox.drop("gb.csv", table(31, 200).encode("gb18030"))
    inbox.drop("utf8.csv", table(32, 300).encode())
    inbox.drop("wide.csv", table(33, 400).encode("utf-16"))
    inbox.drop("packed.csv.gz", gzip.compress(table(34, 500).encode("gb18030")))
    quoted = table(35, 600).replace(",", '","').replace("\n", '"\n"').removesuffix('"')
    inbox.drop("quoted.csv", '"' + quoted)
    inbox.drop("tabs.tsv", table(36, 700).replace(",", "\t"))
    book = openpyxl.Workbook()
    for line in table(37, 800).splitlines():
        book.active.append(line.split(","))
    book.save(inbox.folders.inbox / "book.xlsx")
    rows = [dict(zip(("text", "label"), line.split(","), strict=True))
            for line in table(38, 900).splitlines()[1:]]  # fmt: skip
    inbox.drop("lines.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    columns = {"text": "text", "label": "label"}
    for pinned in (
        {"encoding": "utf-8", "quoting": "minimal", "header": True},
        {"encoding": "gb18030", "quoting": "none", "header": True, "sheet": "点评"},
    ):
        params = {**pinned, "columns": columns}
        intake = inbox.take(**params)
        assert {f.name: (f.outcome, f.reason) for f in intake.files if f.reason} == {}
        assert sum(file.rows for file in intake.files) == sum(range(30, 39))
        raw = [path for path in inbox.raw() if path != inbox.first]
        examples, quarantine, label_map, _ = read_examples(
            raw, {}, IngestionParams.model_validate(params)
        )
        assert quarantine.num_rows == 0 and label_map["labels"] == LABELS
        texts = sorted(examples.column("text").to_pylist())
        want = [line.split(",")[0] for n, start in zip(range(30, 39), range(100, 1000, 100),
                strict=True) for line in table(n, start).splitlines()[1:]]  # fmt: skip
        assert texts == sorted(want)
        for path in raw:  # again, with what the other first file would have had written down
            path.chmod(0o644)
            path.rename(inbox.folders.inbox / parse_stored(path.name)[2])


def test_utf8_that_is_valid_gb18030_is_utf8(inbox):
    """Reliability 20: read as written down for the first file it would be nonsense, silently."""
    content = "text,label\n" + "很好不错,物流\n满意房间,质量\n" * 20
    content.encode().decode("gb18030")
    inbox.drop("a.csv", content)
    assert inbox.outcomes(encoding="gb18030") == {"a.csv": "accepted"}
    params = IngestionParams(encoding="gb18030")
    examples = read_examples(inbox.raw()[1:], {}, params)[0]
    assert set(examples.column("text").to_pylist()) == {"很好不错", "满意房间"}


def test_no_row_is_swallowed_between_two_stray_quotes(inbox):
    """Reliability 22: a TSV does not quote, whatever the first file of the problem did."""
    lines = table(30, 100).replace(",", "\t").splitlines()
    lines[3], lines[9] = f'"{lines[3]}', lines[9].replace("\t", '"\t')
    inbox.drop("a.tsv", "\n".join(lines))
    [file] = inbox.take(quoting="minimal").files
    assert (file.outcome, file.rows) == ("accepted", 30)


def test_words_that_look_like_nothing_survive(inbox):
    """Reliability 21: NA, null, None and 007 are texts and labels as any other."""
    inbox.drop("a.csv", "text,label\nNA,null\nNone,007\n007,null\nnull,None\n")
    assert inbox.outcomes(labels=None) == {"a.csv": "accepted"}
    examples = read_examples(inbox.raw()[1:], {}, IngestionParams(columns={"text": "text"}))[0]
    assert examples.column("text").to_pylist() == ["NA", "None", "007", "null"]
    assert examples.column("label").to_pylist() == ["null", "007", "null", "None"]


def test_a_name_says_nothing_about_splits(inbox):
    for name in ("train.csv", "test.csv"):
        inbox.drop(name, table(30, len(name) * 100))
    inbox.take()
    assert read_examples(inbox.raw(), {}, IngestionParams())[3]["splits"]["none"] == 160


class TestWhatIsNotTaken:
    """Reliability 24: half-copied, links, pipes and odd names stay where they are, with a word."""

    def test_names_of_unfinished_files(self, inbox):
        names = ["a.csv.part", "b.csv.tmp", "c.csv.crdownload", "~$d.xlsx", "e.csv~", "行\n.csv"]
        for name in names:
            inbox.drop(name, table(5))
        inbox.drop(".a.csv.Xy12ab", table(5))  # rsync's
        (inbox.folders.inbox / "folder").mkdir()
        assert inbox.outcomes() == dict.fromkeys([*names, "folder"], "waiting")
        assert inbox.outcomes() == dict.fromkeys([*names, "folder"], "waiting")

    def test_a_name_that_is_no_utf8(self, inbox):
        (inbox.folders.inbox / os.fsdecode(b"\xff\xfe.csv")).write_text(table(5))
        [file] = inbox.take().files
        assert (file.name, file.outcome) == ("\\udcff\\udcfe.csv", "waiting")

    def test_links_and_pipes_are_never_opened(self, inbox):
        secret = inbox.project / "secret.csv"
        secret.write_text(table(5))
        (inbox.folders.inbox / "link.csv").symlink_to(secret)
        (inbox.folders.inbox / "up.csv").symlink_to("../first.csv")
        os.mkfifo(inbox.folders.inbox / "pipe.csv")
        intake = inbox.take()
        assert {file.outcome for file in intake.files} == {"waiting"}
        assert [file.reason[:12] for file in intake.files] == [
            "is a link: p", "is no regula", "is a link: p",
        ]  # fmt: skip
        assert inbox.raw() == [inbox.first]

    def test_a_file_that_may_not_be_read(self, inbox, monkeypatch):
        inbox.drop("a.csv", table(5))
        monkeypatch.setattr("os.access", lambda path, mode: False)  # root may read everything
        [file] = inbox.take().files
        assert (file.outcome, file.reason[:15]) == ("waiting", "may not be read")

    def test_a_file_that_is_still_written_waits(self, inbox):
        path = inbox.drop("slow.csv", table(50))
        stop = threading.Event()

        def write():
            with path.open("a") as file:
                while not stop.is_set():
                    file.write("第0位顾客的留言,物流\n")
                    file.flush()
                    # As a copying tool does: the time of the original.
                    os.utime(path, (1, 1))
                    time.sleep(0.01)

        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.05)
        outcomes = inbox.outcomes(inbox_settle=0.2)
        stop.set()
        writer.join()
        assert outcomes == {"slow.csv": "waiting"}
        assert inbox.outcomes(inbox_settle=0.1) == {"slow.csv": "accepted"}

    def test_a_file_that_is_written_to_while_it_is_read(self, inbox, monkeypatch):
        path = inbox.drop("slow.csv", table(50))
        writer = path.open("a")
        real = judge_file

        def write_on(*arguments):
            verdict = real(*arguments)
            writer.write("第0位顾客的留言,物流\n")
            writer.close()
            return verdict

        with monkeypatch.context() as patch:
            patch.setattr("wenliu.intake.taking.judge_file", write_on)
            [file] = inbox.take().files
        assert (file.outcome, file.reason) == ("waiting", "was written to while it was read")
        [file] = inbox.take().files
        assert (file.outcome, file.rows) == ("accepted", 51)

    def test_a_file_that_is_given_back_overwrites_no_newer_one(self, inbox, monkeypatch):
        """Reliability 11: two senders use one name; the rows of both are taken in."""
        first = inbox.drop("rows.csv", table(50, 100))
        writer = first.open("a")
        real = judge_file

        def write_on(*arguments):
            verdict = real(*arguments)
            writer.write("第0位顾客的留言,物流\n")
            writer.close()
            inbox.drop("rows.csv", table(40, 200))
            return verdict

        with monkeypatch.context() as patch:
            patch.setattr("wenliu.intake.taking.judge_file", write_on)
            [file] = inbox.take().files
        assert (file.name, file.outcome) == ("rows (2).csv", "waiting")
        found = {file.name: (file.outcome, file.rows) for file in inbox.take().files}
        assert found == {"rows.csv": ("accepted", 40), "rows (2).csv": ("accepted", 51)}

    def test_a_name_that_is_taken_among_the_claimed_waits(self, inbox):
        inbox.take()
        (inbox.folders.claimed / "a.csv").mkdir()
        inbox.drop("a.csv", table(30, 100))
        [file] = inbox.take().files
        assert (file.outcome, "take that away" in file.reason) == ("waiting", True)
        assert (inbox.folders.inbox / "a.csv").is_file()

    def test_a_mark_says_that_a_file_is_finished(self, inbox):
        inbox.drop("a.csv", table(30, 100))
        inbox.drop("a.csv.done", "")
        inbox.drop("b.csv.done", "")
        started = time.monotonic()
        assert inbox.outcomes(inbox_settle=30) == {"a.csv": "accepted", "b.csv.done": "waiting"}
        assert time.monotonic() - started < 10
        assert not (inbox.folders.inbox / "a.csv.done").exists()


def test_limits_before_parsing(inbox):
    inbox.drop("large.csv", table(100, 100))
    inbox.drop("fits.csv", table(20))
    large = inbox.take(max_file_bytes=1500).files[1]
    assert (large.outcome, large.rows) == ("quarantined", 0)
    assert "more than 1,500" in large.reason


def test_a_large_file_is_known_by_its_content(inbox):
    inbox.drop("large.csv", table(100, 100))
    inbox.drop("other.csv", table(100, 300))
    assert len({file.sha256 for file in inbox.take(max_file_bytes=1500).files}) == 2
    inbox.drop("again.csv", table(100, 100))
    [file] = inbox.take(max_file_bytes=1500).files
    # The newer copy stands for both, as with any other file in quarantine.
    names = [path.name for path in inbox.folders.quarantine.iterdir() if parse_stored(path.name)]
    assert file.stored in names and not any("_large.csv" in name for name in names)


MEASURE = """
import sys
from pathlib import Path
from wenliu.intake import take_in
from wenliu.params import IngestionParams
[file] = take_in(Path(sys.argv[1]), "p", IngestionParams(inbox_settle=0), None).files
print(file.outcome, file.rows, file.reason)
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def test_a_gzip_bomb_is_refused_in_little_memory(inbox):
    """Reliability 24: three hundred to one and more, in a process of its own, under 500 MB."""
    packer = zlib.compressobj(9, wbits=31)
    block = "第几位顾客的留言,物流\n".encode() * 40_000
    content = packer.compress(b"text,label\n")
    for _ in range(300):
        content += packer.compress(block)
    content += packer.flush()
    assert 300 * len(block) > 300 * len(content)
    inbox.drop("a.csv.gz", content)
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(inbox.project)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    said, megabytes = result.stdout.splitlines()
    assert said.startswith("quarantined 0 The compressed file expands more than 100 times")
    assert int(megabytes) < 500


def test_a_bad_file_that_comes_again_lies_in_quarantine_once(inbox):
    for _ in range(3):
        inbox.drop("a.csv", 'text,label\n"没关,物流\n')
        assert inbox.outcomes() == {"a.csv": "quarantined"}
    assert len(list(inbox.folders.quarantine.iterdir())) == 2


def test_long_names_are_cut_and_keep_their_suffix():
    name = stored_name("20260101T000000Z", "ab" * 32, "很长的名字" * 14 + ".csv.gz")
    assert len(name.encode()) <= 200 and name.endswith(".csv.gz")
    assert parse_stored(name)[1] == "abababababab"


def test_the_stamp_of_an_intake_is_later_than_any_other(inbox, monkeypatch):
    stamps = []
    for day in ("2026-01-02", "2026-01-02", "2026-01-01"):
        monkeypatch.setenv("WENLIU_CLOCK", f"{day}T02:00:00+00:00")
        stamps.append(inbox.take().stamp)
    assert stamps == sorted(set(stamps))


def test_an_accepted_file_that_was_changed_is_refused(inbox):
    from wenliu.errors import UserError

    inbox.drop("a.csv", table(30, 100))
    [file] = inbox.take().files
    path = inbox.folders.accepted / file.stored
    path.chmod(0o644)
    path.write_text(table(31, 100), "utf-8")
    with pytest.raises(UserError, match="changed after it had been accepted"):
        read_examples(inbox.raw(), {}, IngestionParams())


ROWS = st.lists(st.integers(0, 40), max_size=8)
FILES = st.lists(
    st.tuples(ROWS, st.sampled_from(["good", "bad rows", "quote", "unknown"])), max_size=4
)


@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(nights=st.lists(FILES, min_size=1, max_size=3))
def test_no_row_is_lost(nights, tmp_path_factory):
    """Reliability 11: whatever comes, every row is kept, in quarantine or there twice."""
    inbox = Inbox(tmp_path_factory.mktemp("nights"))
    total: Counter = Counter()
    for number, files in enumerate(nights):
        dropped = 0
        for place, (rows, kind) in enumerate(files):
            lines = [f"第{row}句话,{LABELS[row % 2]}" for row in rows]
            if kind == "bad rows":
                lines += ["没有标签,"]
            if kind == "unknown":
                lines = [line.replace("物流", "甲").replace("退款", "乙") for line in lines]
            if kind == "quote" and lines:
                lines[-1] = f'"{lines[-1]}'
            inbox.drop(f"{number}{place}.csv", "\n".join(["text,label", *lines]))
            dropped += len(lines)
        intake = inbox.take(max_bad_rows=0.5)
        rows_in: Counter = Counter()
        for file in intake.files:
            rows_in[file.outcome] += file.rows
        assert rows_in.total() == dropped
        assert not any(path.is_file() for path in inbox.folders.inbox.rglob("*"))
        total += rows_in
    # One intake read them all: what they say is there.
    _, bad, _, report = read_examples(inbox.raw(), {}, IngestionParams(max_bad_rows=0.9))
    assert report["rows"] + bad.num_rows == 100 + total["accepted"]
