"""The page of all nights."""

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from wenliu import nights, retention
from wenliu.commands.prune import prune as prune_command
from wenliu.night_status import duration
from wenliu.nights_page import history_page, write_history


@pytest.mark.parametrize("n", [1, 2, 400])
def test_the_page_reads_with_few_nights_and_with_many(tmp_path, make_nights, n):
    records = make_nights(n)
    page = history_page("酒店评论", records, tmp_path)
    assert page.count("<svg ") == 6  # three sets, growth, intake, durations
    assert "物流 falls by 4 points" in page or n < 5
    shown = page[page.index("<h2>Nights</h2>") :]
    assert shown.count("<tr>") - shown.count("<thead>") == n
    folded = re.search(r"(\d+) older nights", shown)
    assert (int(folded[1]) if folded else 0) == max(0, n - 30)
    newest, oldest = (f"{records[i].started:%Y-%m-%d %H:%M}" for i in (-1, 0))
    assert n == 1 or shown.index(newest) < shown.index(oldest)
    assert len(page) < 1_500_000


def test_no_night_and_a_first_one_that_runs_still_make_a_page(tmp_path, make_nights):
    [first] = make_nights(1)
    for records in ([], [replace(first, status="running", outcome=None)]):
        assert "No night has ended yet" in history_page("p", records, tmp_path)


def test_nights_that_failed_before_anything_was_scored_or_counted(tmp_path, make_nights):
    [first] = make_nights(1)
    bare = replace(first, outcome="failed", status="failed", scores={}, rows={}, champion=None)
    page = history_page("p", [bare], tmp_path)
    assert "No night has compared two models yet" in page and "no model was promoted yet" in page


def test_an_outcome_leads_to_its_decision_as_long_as_that_is_there(tmp_path, make_nights):
    there, gone = make_nights(2, problem="p")
    folder = nights.reports(tmp_path, "p")
    page = "decision_page/1/decision_page.html"
    (folder / page).parent.mkdir(parents=True)
    (folder / page).write_text("", "utf-8")
    nights.write(tmp_path, replace(there, decision={"page": page}))
    nights.write(tmp_path, replace(gone, decision={"page": "decision_page/2/x.html"}))
    written = write_history(tmp_path, "p").read_text("utf-8")
    assert f'<a href="{page}">promoted</a>' in written
    assert "decision_page/2" not in written


def test_after_pruning_by_hand_no_link_leads_nowhere(tmp_path, make_nights, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('package_name = "wenliu"\n', "utf-8")
    (tmp_path / "conf/base").mkdir(parents=True)
    (tmp_path / "conf/base/globals.yml").write_text("problem: p\n", "utf-8")
    [night] = make_nights(1, problem="p")
    page = nights.reports(tmp_path, "p") / "decision_page/1/decision_page.html"
    page.parent.mkdir(parents=True)
    page.write_text("", "utf-8")
    link = "decision_page/1/decision_page.html"
    nights.write(tmp_path, replace(night, decision={"page": link}))
    assert link in write_history(tmp_path, "p").read_text("utf-8")

    def prune(project, problem, dry_run):
        page.unlink()
        return retention.Pruned(problem, dry_run, ())

    monkeypatch.setattr(retention, "prune", prune)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(prune_command).exit_code == 0
    assert link not in (nights.reports(tmp_path, "p") / "history.html").read_text("utf-8")


def test_what_stands_in_a_reason_is_escaped(tmp_path, make_nights):
    [night] = make_nights(1)
    page = history_page("p", [replace(night, reason="<script>alert(1)</script>")], tmp_path)
    assert "<script>" not in page


def test_durations_are_words():
    told = [duration(s) for s in (None, 4.4, 60, 95, 3600, 5400)]
    assert told == ["–", "4 s", "1 min 0 s", "1 min 35 s", "1 h 0 min", "1 h 30 min"]
