from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from wenliu.reporting import charts
from wenliu.reporting.page import (
    Section,
    figure,
    key_numbers,
    paragraph,
    percent,
    points,
    render_page,
    table,
)

EVIL = "</td><script>alert('卖')</script>&nbsp;<img src=http://x.cn/a.png onerror=1>"


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br", "path", "use", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("meta", "br", "path", "use", "rect"):
            assert self.open.pop() == tag


def page():
    return render_page(
        EVIL,
        EVIL,
        [
            Section(
                EVIL,
                [
                    paragraph(EVIL, "verdict"),
                    key_numbers([(EVIL, EVIL, EVIL)]),
                    table([EVIL, "数"], [(EVIL, 1), (None, 2.5)], caption=EVIL, folded=True),
                    figure(charts.bars([EVIL], [1], title=EVIL), EVIL),
                ],
            )
        ]
        * 4,
    )


def test_everything_from_outside_is_escaped_and_tags_balance():
    tags = Tags(page())
    assert tags.open == []
    assert not {"script", "img", "link", "iframe", "object"} & set(tags.seen)


def test_page_loads_nothing():
    tags = Tags(page())
    for name, value in tags.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#")
    style = re.search(r"<style>(.*?)</style>", page(), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_page_is_made_for_phone_print_and_dark():
    text = page()
    for wanted in ("viewport", "@media print", "prefers-color-scheme: dark", 'lang="zh', "utf-8"):
        assert wanted in text


def test_cells():
    text = render_page("t", "", [Section("s", [table(["a"], [(1234,), (0.5,), (None,), (True,)])])])
    for cell in (
        '<td class="number">1,234</td>', '<td class="number">0.500</td>', '<td class="none">–</td>',
        '<td class="text">yes</td>',
    ):  # fmt: skip
        assert cell in text


def test_numbers_in_words():
    assert percent(0.87345) == "87.3\u00a0%"
    assert points(-0.0123) == "−1.2"
    assert points(0.02) == "+2.0"


@pytest.mark.parametrize("svg", ["<p>no</p>", "<svg ><script>x</script></svg>", EVIL])
def test_only_bare_svg_is_a_figure(svg):
    with pytest.raises(ValueError, match="svg"):
        figure(svg)
