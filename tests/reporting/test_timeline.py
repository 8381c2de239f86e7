"""Charts over days."""

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import pytest

from wenliu.reporting import timeline

START = datetime(2026, 1, 1, 2, tzinfo=UTC)


def days(n):
    return [START + timedelta(days=i) for i in range(n)]


def texts(svg):
    return [e.text for e in ElementTree.fromstring(svg).iter() if e.text and e.text.strip()]


@pytest.mark.parametrize("n", [0, 1, 2, 40, 400])
def test_any_number_of_nights_makes_a_chart_with_dates_that_do_not_repeat(n):
    values = [0.8 + i / 1000 for i in range(n)]
    svg = timeline.steps_and_dots(
        {"serving": (days(n), values)}, {"refused": (days(n), values)}, {"failed": days(n)[:1]},
        title="得分", y_label="macro-F1",
    )  # fmt: skip
    words = texts(svg)
    assert {"得分", "serving", "refused", "failed", "macro-F1"} <= set(words)
    dates = [word for word in words if word.count("-") and word[:1].isdigit()]
    assert len(dates) == len(set(dates))
    assert dates or n == 0


def test_columns_stand_on_each_other():
    svg = timeline.columns(
        days(3), {"kept": [5, 0, 1], "bad": [1, 2, 0]}, title="Rows", y_label="rows"
    )
    assert {"kept", "bad", "rows"} <= set(texts(svg))


def test_a_single_line_needs_no_legend():
    svg = timeline.steps_and_dots({"rows": (days(2), [1, 2])}, {}, {}, title="T", y_label="y")
    assert "rows" not in texts(svg)
