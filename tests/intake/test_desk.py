"""What a person sees of the inbox and may decide."""

import json

import pytest
from click.testing import CliRunner

from wenliu.commands.inbox import inbox as inbox_command
from wenliu.errors import UserError
from wenliu.inbox import report_of
from wenliu.intake.desk import accept, describe, reject, retry
from wenliu.settled import pending_sources, read_settled

from .conftest import table


def test_everything_is_listed_with_reasons(inbox):
    inbox.drop("good.csv", table(30, 100))
    inbox.drop("bad.csv", 'text,label\n"没关,物流\n')
    [bad, good] = inbox.take().files
    inbox.drop("half.csv.part", "text")
    inbox.drop("next.csv", table(5))
    assert describe(inbox.project, "p").splitlines() == [
        "waiting in data/01_raw/p/inbox:",
        "  half.csv.part: has the name of a file that is not finished",
        "  next.csv: the next nightly run takes it",
        "accepted:",
        f"  {good.stored}: 30 rows",
        "in quarantine:",
        f"  {bad.stored}: A quote is opened and not closed before the end of the file.",
        "      where: bad.csv, row that starts in line 2",
        '      to do: close the quote (a quote within quotes is doubled: ""), or give '
        "ingestion.quoting: none if the file does not quote",
    ]


def test_a_problem_without_an_inbox(tmp_path):
    assert describe(tmp_path, "p").count("nothing") == 3


def test_a_rejected_file_is_read_no_more_and_stays_rejected(inbox):
    inbox.drop("a.csv", table(30, 100))
    [file] = inbox.take().files
    path = reject(inbox.project, "p", "a.csv", "wrong customer")
    assert path.name == file.stored and inbox.raw() == [inbox.first]
    report = json.loads(report_of(path).read_text("utf-8"))
    assert (report["reason"], report["rows"]) == ("Rejected: wrong customer", 30)
    assert "Rejected: wrong customer" in describe(inbox.project, "p")
    # The same export comes again, and a third time.
    for name in ("a.csv", "b.csv"):
        inbox.drop(name, table(30, 100))
        [again] = inbox.take().files
        assert (again.outcome, again.rows) == ("duplicate", 30)
        assert "was rejected before" in again.reason
    assert inbox.raw() == [inbox.first] and path.is_file()


def test_a_file_that_stops_nights_may_be_accepted(inbox):
    inbox.drop("a.csv", table(30, 100))
    [file] = inbox.take().files
    names = [path.name for path in inbox.raw()]
    assert pending_sources(names, read_settled(inbox.folders)) == [{file.stored}]
    assert accept(inbox.project, "p", "a.csv", "season") == file.stored
    assert pending_sources(names, read_settled(inbox.folders)) == []
    assert '"reason": "season"' in inbox.folders.settled.read_text("utf-8")
    with pytest.raises(UserError, match="stops no night"):
        accept(inbox.project, "p", "a.csv", "again")


def test_a_file_in_quarantine_may_be_tried_again(inbox):
    inbox.drop("a.csv", table(30, 100, labels=["甲", "乙"]))
    [file] = inbox.take().files
    assert file.outcome == "quarantined"
    target = retry(inbox.project, "p", file.sha256[:8])
    assert target == inbox.folders.inbox / "a.csv"
    assert not list(inbox.folders.quarantine.iterdir())
    assert inbox.outcomes(labels=["甲", "乙"]) == {"a.csv": "accepted"}
    reject(inbox.project, "p", "a.csv", "")
    retry(inbox.project, "p", "a.csv")
    assert inbox.outcomes(labels=["甲", "乙"]) == {"a.csv": "accepted"}


def test_files_that_cannot_be_meant(inbox):
    inbox.drop("a.csv", table(30, 100))
    inbox.take()
    inbox.drop("a.csv", table(31, 200))
    inbox.take()
    with pytest.raises(UserError, match=r"2 files accepted are called 'a\.csv'") as error:
        reject(inbox.project, "p", "a.csv", "")
    assert "_a.csv'" in error.value.remedy
    with pytest.raises(UserError, match=r"No file in quarantine is called '\.\.'"):
        retry(inbox.project, "p", "../..")
    with pytest.raises(UserError, match=r"No file accepted is called 'b\.csv'"):
        reject(inbox.project, "p", "b.csv", "")


def test_a_name_that_is_taken_in_the_inbox(inbox):
    inbox.drop("a.csv", "")
    inbox.take()
    inbox.drop("a.csv", table(3))
    with pytest.raises(UserError, match=r"another a\.csv in the inbox"):
        retry(inbox.project, "p", "a.csv")


def test_the_commands(inbox, monkeypatch):
    (inbox.project / "pyproject.toml").write_text('package_name = "wenliu"')
    (inbox.project / "conf" / "base").mkdir(parents=True)
    (inbox.project / "conf" / "base" / "globals.yml").write_text("problem: p\n")
    monkeypatch.chdir(inbox.project)

    def run(*arguments):
        return CliRunner().invoke(inbox_command, arguments, catch_exceptions=False)

    inbox.drop("a.csv", table(30, 100))
    inbox.take()
    assert "_a.csv: 30 rows" in run().output
    assert "data/01_raw/p/quarantine/" in run("reject", "a.csv", "--reason", "no").output
    assert "data/01_raw/p/inbox/a.csv" in run("retry", "a.csv").output
    assert run("reject", "a.csv").exit_code == 1
    inbox.take()
    assert "stops no night any more" in run("accept", "a.csv", "--reason", "season").output
    assert run("accept", "a.csv").exit_code == 2
