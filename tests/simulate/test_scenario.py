"""Which night brings what."""

import pytest

from wenliu.simulate.scenario import scenario


def names(nights):
    return [event.name for event in scenario(nights)]


def test_thirty_nights_bring_everything():
    assert set(names(30)) == {
        "first rows", "new rows", "nothing new", "same files again", "bad files", "drift",
        "ruined training", "wrong labels", "two runs at once", "other schema", "machine off",
        "catch-up", "rollback", "one topic", "unknown label", "label added", "misspelt label",
        "killed in audit", "killed in finetuning", "killed in export", "killed in promotion",
    }  # fmt: skip
    assert names(30).count("machine off") == 3


@pytest.mark.parametrize("nights", [1, 5, 30, 75])
def test_any_number_of_nights_begins_with_the_first_and_adds_a_label_once(nights):
    told = names(nights)
    assert len(told) == nights
    assert told[0] == "first rows" and "first rows" not in told[1:]
    assert told.count("label added") <= 1
    assert told.count("unknown label") == told.count("label added")


def test_a_machine_that_was_off_is_followed_by_a_catch_up():
    told = names(60)
    for night, name in enumerate(told[:-1]):
        if name == "machine off":
            assert told[night + 1] in ("machine off", "catch-up")
