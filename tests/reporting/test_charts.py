from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from xml.etree import ElementTree

import pytest

from wenliu.reporting import charts
from wenliu.reporting.canvas import number, shorten, text_width

NASTY = ["物流配送", "价格 $x$ 与 $y$", "<b>粗</b> & “引号”", "𠮷野家🍜", "a\x00b\x1bc"]
CHARTS = {
    "bars": lambda names: charts.bars(
        names, [3, 2, 0, 1, 5], title="标题 <1>", x_label="行数", errors=[(0, 6)] * 5
    ),
    "grouped_bars": lambda names: charts.grouped_bars(
        {"模型": [0.5] * 5, "baseline": [0.25] * 5}, names, title="F1", y_label="F1"
    ),
    "lines": lambda names: charts.lines(
        {name: ([1, 2], [0.5, i]) for i, name in enumerate(names)},
        title="训练", x_label="轮", y_label="损失",
    ),
    "heatmap": lambda names: charts.heatmap(
        [[i * j for j in range(5)] for i in range(5)], names, names, title="混淆", x_label="预测",
        y_label="标注",
    ),
    "bar_grid": lambda names: charts.bar_grid(
        {name: (["快递", "iPhone"], [2.5, 1.0]) for name in names}, title="关键词"
    ),
    "reliability": lambda names: charts.reliability(
        {names[0]: ([0.5, 0.9], [0.4, 1.0])}, title="可靠性"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHARTS)
def test_chart_is_one_escaped_svg_with_text_as_text(kind, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        drawing = CHARTS[kind](NASTY)
    assert not caplog.records  # no missing glyph, no missing font
    assert drawing.startswith("<svg ")
    assert drawing.endswith("</svg>")
    root = ElementTree.fromstring(drawing)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "物流配送" in texts
    assert not any("@" in text for text in texts if text)
    if kind not in ("reliability",):
        assert "价格 $x$ 与 $y$" in texts
        assert "a�b�c" in texts
        assert "&lt;b&gt;粗" in drawing
    assert "Noto Sans CJK SC" in drawing
    assert "PingFang SC" in drawing
    assert "WenQuanYi" in drawing
    assert "<image" not in drawing
    assert 'id="figure' not in drawing


@pytest.mark.parametrize("kind", CHARTS)
def test_chart_is_the_same_every_time(kind):
    assert CHARTS[kind](NASTY) == CHARTS[kind](NASTY)


def test_empty_charts_do_not_fail():
    for drawing in (
        charts.bars([], [], title="none"),
        charts.grouped_bars({"a": []}, [], title="none"),
        charts.lines({}, title="none", x_label="x", y_label="y"),
        charts.heatmap([], [], [], title="none"),
        charts.bar_grid({}, title="none"),
        charts.reliability({}, title="none"),
    ):
        ElementTree.fromstring(drawing)


def test_long_labels_are_cut_and_have_room():
    drawing = charts.bars(["很" * 60, "短"], [1, 2], title="长标签")
    assert "很" * 60 not in drawing
    assert "很…" in drawing


def test_width_counts_wide_characters_twice_as_narrow_ones():
    assert text_width("中文", 10) == 20
    assert text_width("ab", 10) < 14
    assert text_width(shorten("中文字符" * 10, 100, 10), 10) <= 100
    assert shorten("短", 100) == "短"


def test_numbers_of_one_chart_have_one_form():
    assert [number(v, [1234.0, 2.0]) for v in (1234.0, 2.0)] == ["1,234", "2"]
    assert [number(v, [0.5, 1.0]) for v in (0.5, 1.0)] == ["0.500", "1.000"]


def test_matplotlib_is_only_imported_to_draw():
    code = "import sys, wenliu.reporting.charts, wenliu.reporting.page; " \
        "assert not {'matplotlib', 'jinja2'} & set(sys.modules)"  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True)
