"""Positions through one change and through several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.edits import Edits, Replacement, apply_replacements, compose, stretches_of

# Each unit is left, deleted, or replaced by something shorter, equal or longer.
_changes = st.lists(st.sampled_from([None, None, "", "x", "yz", "uvw"]), max_size=40)


def _replacements(text: str, changes: list[str | None], width: int) -> list[Replacement]:
    found = []
    for index, new in enumerate(changes):
        start, end = index * width, min((index + 1) * width, len(text))
        if new is not None and start < end:
            found.append((start, end, new))
    return found


@given(st.text("abcdef", max_size=40), _changes, _changes, _changes)
def test_composed_changes_lead_from_the_first_text_to_the_last(
    text: str, one: list[str | None], two: list[str | None], three: list[str | None]
) -> None:
    current, stretches = text, []
    for width, changes in ((1, one), (2, two), (3, three)):
        found = _replacements(current, changes, width)
        stretches = compose(stretches, stretches_of(found))
        current = apply_replacements(current, found)
    edits = Edits.from_flat(Edits(stretches).flat)  # ascending, and equal lengths between
    # What lies outside the stretches is the same text on both sides.
    rebuilt, at = [], 0
    for new_start, new_end, old_start, old_end in stretches:
        rebuilt += text[at:old_start], current[new_start:new_end]
        at = old_end
    assert "".join(rebuilt) + text[at:] == current
    starts = [edits.to_old(i, i + 1) for i in range(len(current))]
    assert starts == sorted(starts)
    assert all(0 <= start <= end <= len(text) for start, end in starts)


def test_neighbours_of_a_deletion_do_not_take_it() -> None:
    edits = Edits(stretches_of([(2, 5, "")]))  # 北京[xxx]上海
    assert edits.to_old(0, 2) == (0, 2)
    assert edits.to_old(2, 4) == (5, 7)
    assert edits.to_old(0, 4) == (0, 7)
    assert edits.to_old(2, 2) == (5, 5)
    assert edits.to_new(2, 5) == (2, 2)
    assert edits.to_new(1, 6) == (1, 3)


def test_no_change_is_none_and_moves_nothing() -> None:
    assert Edits().flat is None
    assert Edits.from_flat(None) == Edits()
    assert Edits().to_old(3, 8) == (3, 8)


@pytest.mark.parametrize("flat", [[0, 1, 0], [0, 2, 0, 1, 1, 3, 1, 2], [3, 4, 2, 4], [2, 1, 2, 3]])
def test_numbers_that_are_no_map_are_refused(flat: list[int]) -> None:
    with pytest.raises(ValueError, match=r"quads|overlap|unchanged"):
        Edits.from_flat(flat)
