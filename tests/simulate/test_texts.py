"""Messages made of clauses that we wrote."""

from pathlib import Path

import pytest

from wenliu.errors import UserError
from wenliu.simulate.texts import Writer
from wenliu.text.normal_form import normal_form_v1

ROOT = Path(__file__).parents[2]


def test_no_message_comes_twice_and_the_same_seed_writes_the_same():
    rows = Writer.of(ROOT, 7).rows(3000)
    assert len({normal_form_v1(row.text) for row in rows}) == 3000
    assert rows == Writer.of(ROOT, 7).rows(3000)
    assert rows != Writer.of(ROOT, 8).rows(3000)
    assert {row.label for row in rows} == set(Writer.of(ROOT, 0).labels)


def test_a_share_of_the_labels_can_be_wrong():
    writer = Writer.of(ROOT, 0)
    rows = writer.rows(1000)
    wrong = writer.with_wrong_labels(rows, 0.7, writer.labels)
    differ = sum(a.label != b.label for a, b in zip(rows, wrong, strict=True))
    assert 650 <= differ <= 750
    some = writer.labels[:3]
    assert {row.label for row in writer.with_wrong_labels(rows, 1.0, some)} == set(some)
    assert [row.text for row in wrong] == [row.text for row in rows]


def test_without_the_messages_it_says_so(tmp_path):
    with pytest.raises(UserError, match="messages of the bundled problem"):
        Writer.of(tmp_path, 0)
