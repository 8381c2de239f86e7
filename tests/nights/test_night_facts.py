"""What a record says, from reports."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu import night_facts
from wenliu.errors import UserError

COUNT = st.integers(0, 10_000)
SECRET = st.text("秘密客户投诉'\"“”a 1", min_size=1, max_size=20)


@st.composite
def intakes(draw):
    """Files of an intake, and what the audit says of the accepted ones."""
    files, sources = [], {}
    for number in range(draw(st.integers(0, 6))):
        good, bad = draw(COUNT), draw(COUNT)
        outcome = draw(st.sampled_from(["accepted", "duplicate", "quarantined", "waiting"]))
        stored = f"20260101T020000Z_{number}.csv"
        files.append({"outcome": outcome, "rows": good + bad, "bad_rows": bad, "stored": stored})
        if outcome == "accepted" and draw(st.booleans()):
            sources[stored] = {"rows": good, "repeats": draw(st.integers(0, good))}
    return files, sources


@given(intakes())
def test_no_row_is_lost_on_paper(intake):
    files, sources = intake
    rows = night_facts.rows_of(files, {"sources": sources}, {"rows": 7})
    assert rows["rows_in"] == sum(f["rows"] for f in files if f["outcome"] != "waiting")
    assert rows["rows_in"] == rows["kept"] + rows["quarantined"] + rows["duplicates"]
    assert min(rows.values()) >= 0 and rows["total"] == 7


def test_repeats_and_files_seen_before_are_duplicates_and_bad_rows_are_quarantined():
    files = [
        {"outcome": "accepted", "rows": 100, "bad_rows": 3, "stored": "a"},
        {"outcome": "duplicate", "rows": 40, "bad_rows": 0, "stored": "b"},
        {"outcome": "quarantined", "rows": 5, "bad_rows": 5, "stored": "c"},
    ]
    rows = night_facts.rows_of(files, {"sources": {"a": {"rows": 97, "repeats": 10}}}, None)
    assert rows == {"rows_in": 145, "kept": 87, "quarantined": 8, "duplicates": 50}


@given(SECRET, SECRET, st.sampled_from(["''", '""', "“”", "「」", "``"]), st.integers(1, 40))
def test_no_quoted_value_gets_into_a_message(first, second, quotes, cut):
    left, right = quotes
    message = f"The label {left}{first}{right} is not {left}{second}{right} in row 3."
    for told in (message, message[:-cut]):
        assert not set("秘密客户投诉") & set(night_facts.redacted(told))


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("/home/张三/p/conf/base/parameters/model.yml:3", "conf/base/parameters/model.yml:3"),
        ("--params on the command line", "--params on the command line"),
        ("the stage promotion", "the stage promotion"),
    ],
)
def test_an_error_about_the_configuration_is_told_without_values(make_nights, where, told):
    error = UserError("The parameter 'a.b' has the value '物流'.", where=where)
    [night] = make_nights(1)
    found = night_facts.short_error(error)
    night = night_facts.without_data(
        replace(night, error=found, reason=night_facts.reason_of(found))
    )
    assert night.error == {"type": "UserError", "message": "The parameter ….", "where": told}
    assert night.reason == f"The parameter … ({told})."


def test_the_record_says_what_and_where_for_who_has_to_mend_it():
    """On this machine; also where another error has led to ours."""
    try:
        try:
            raise ValueError("Row #3: 快递三天了还没到,物流")
        except ValueError as error:
            raise UserError("The label '物流' is unknown.\nMore.", where="a.csv, row 3") from error
    except UserError as error:
        wrapped = RuntimeError("a node failed")
        wrapped.__cause__ = error
    found = night_facts.short_error(wrapped)
    assert (found["message"], found["where"]) == ("The label '物流' is unknown.", "a.csv, row 3")
    assert night_facts.reason_of(found) == "The label '物流' is unknown (a.csv, row 3)."


def test_of_other_errors_only_the_type_is_told():
    other = night_facts.short_error(ValueError("Row #3: 快递三天了还没到,物流"))
    assert other["type"] == "ValueError" and "快递" not in str(other)


def test_apostrophes_are_no_quotes():
    assert night_facts.redacted("The run's file wasn't there.") == "The run's file wasn't there."


def test_the_outcome_is_what_was_decided_tonight_whoever_has_trained():
    """A night that was interrupted after training: the next one judges what it finds."""
    refused, same = {"unchanged": False}, {"unchanged": True}
    assert night_facts.outcome_of(refused, decided=True, moved=False) == "refused"
    assert night_facts.outcome_of(refused, decided=True, moved=True) == "promoted"
    # The decision of an earlier night stands: it is no news.
    assert night_facts.outcome_of(refused, decided=False, moved=False) == "unchanged"
    # The first night after a promotion asks the new champion against itself.
    assert night_facts.outcome_of(same, decided=True, moved=False) == "unchanged"
    # A decision that cannot be read is no success to be silent about.
    assert night_facts.outcome_of(None, decided=True, moved=False) == "refused"


def test_a_decision_is_kept_without_the_texts_of_its_flips():
    decision = {
        "decision": "refuse",
        "unchanged": False,
        "strategy": "non_inferior",
        "reason": "Slices fell.",
        "groups": [
            {"name": "quality", "checks": [{"name": "macro_f1", "passed": True}]},
            {"name": "slices", "checks": [{"name": "物流", "passed": False}]},
        ],
        "gate": {"rows": 9, "champion": None, "challenger": {"macro_f1": 0.5, "accuracy": 0.6}},
        "audit": None,
        "flips": {"worse": [{"text": "快递三天了还没到"}]},
    }
    kept = night_facts.short_decision(decision, "decision_page/x/decision_page.html")
    assert kept["failed"] == ["slices: 物流"]
    scores = night_facts.scores(decision)
    assert scores == {"gate": {"rows": 9, "challenger": {"macro_f1": 0.5, "accuracy": 0.6}}}
    assert "快递" not in str((kept, scores))
