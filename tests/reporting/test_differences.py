from __future__ import annotations

import re
from xml.etree import ElementTree

from wenliu.reporting.differences import differences
from wenliu.reporting.page import figure


def test_a_difference_stands_with_its_bounds_and_its_limit():
    rows = {"门控 <gate>": (0.4, -0.3, 1.1), "audit": (-0.2, -1.5, 0.9)}
    svg = differences(rows, title="Δ", x_label="points", limit=-1.0, limit_label="at least")
    ElementTree.fromstring(svg)
    figure(svg)  # a page takes it
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert "门控 &lt;gate&gt;" in texts and "+0.40" in texts and "−0.20" in texts
    assert "at least" in texts and "points" in texts


def test_differences_of_nothing_still_draw():
    ElementTree.fromstring(differences({"gate": (0.0, 0.0, 0.0)}, title="Δ", x_label="points"))
