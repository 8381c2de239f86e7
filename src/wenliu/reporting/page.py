"""One self-contained HTML page from sections of plain data.

Everything that comes from outside (texts may hold HTML remains) is escaped by jinja2; only the
SVG of :mod:`wenliu.reporting.charts`, which escapes its own labels, goes in as it is. The page
loads nothing from anywhere, turns dark with the reader's system, fits a phone and prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wenliu.reporting.canvas import FONT_STACK

if TYPE_CHECKING:
    from jinja2 import Template

#: The sign stays on the line of its number.
_PERCENT = "\u00a0%"

Tone = Literal["plain", "good", "warning", "verdict"]


@dataclass(frozen=True)
class Block:
    """One piece of a section; ``kind`` names the part of the template that draws it."""

    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Link:
    """A cell of a table that leads to another page, at ``href`` from this one."""

    text: str
    href: str


def paragraph(text: str, tone: Tone = "plain") -> Block:
    """Running text; ``tone`` sets it off as good news, a warning or the verdict."""
    return Block("paragraph", {"text": text.replace(" %", _PERCENT), "tone": tone})


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str = "",
    folded: bool = False,
) -> Block:
    """A table; numbers stand at the right, ``folded`` shows it only when it is opened.

    A cell is text, a number (floats with three decimals), a :class:`Link` or ``None`` (a dash).
    """
    cells = [
        [(*_cell(value), value.href if isinstance(value, Link) else None) for value in row]
        for row in rows
    ]
    return Block(
        "table", {"columns": list(columns), "rows": cells, "caption": caption, "folded": folded}
    )


def figure(svg: str, caption: str = "") -> Block:
    """A chart of :mod:`wenliu.reporting.charts`.

    Raises:
        ValueError: When ``svg`` is not a bare ``<svg>`` element: it would not be escaped.
    """
    if not (svg.startswith("<svg ") and svg.endswith("</svg>")) or "<script" in svg.lower():
        raise ValueError("figure() takes one <svg> element as charts.* return it")
    return Block("figure", {"svg": svg, "caption": caption})


def key_numbers(items: Sequence[tuple[str, str, str]]) -> Block:
    """Big numbers side by side, each as (name, value, note)."""
    rows = -(-len(items) // 4)
    columns = -(-len(items) // max(1, rows))
    return Block("key_numbers", {"items": [list(item) for item in items], "columns": columns})


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The whole page as one string."""
    return _template().render(
        title=title, subtitle=subtitle, sections=sections, fonts=FONT_STACK, css=_css()
    )


def percent(value: float, digits: int = 1) -> str:
    """``0.8734`` as ``87.3 %``, with a blank that does not break."""
    return f"{100 * value:.{digits}f}{_PERCENT}"


def p_value(p: float) -> str:
    """A p-value with three digits; smaller ones are ``< 0.001``."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def points(value: float) -> str:
    """A difference of shares in percentage points: ``-0.0123`` as ``−1.2``."""
    return f"{100 * value:+.1f}".replace("-", "−")


def _cell(value: object) -> tuple[str, str]:
    """Text of a cell and the class that aligns it."""
    if value is None:
        return "–", "none"
    if isinstance(value, bool):
        return ("yes" if value else "no"), "text"
    if isinstance(value, int):
        return f"{value:,}", "number"
    if isinstance(value, float):
        return f"{value:.3f}", "number"
    text = value.text if isinstance(value, Link) else str(value)
    return text, "number" if text.endswith(_PERCENT) and len(text) < 20 else "text"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = Path(__file__).with_name("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


@cache
def _css() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")
