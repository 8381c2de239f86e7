"""The sheet that charts are drawn on: matplotlib for geometry, the browser for text.

Chinese labels must render wherever a browser has fonts, whether or not this machine has one. So
matplotlib never sees a label: it draws an ASCII token, and the finished SVG gets the escaped text
in its place, anchored at its start, middle or end. Room for labels is measured by East Asian
width. Colours of paper and ink are CSS variables with fallbacks: a page may turn dark, and the
same file on its own is dark on white.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT_STACK = (
    "system-ui, -apple-system, 'Segoe UI', 'Noto Sans CJK SC', 'Noto Sans SC', 'Microsoft YaHei', "
    "'PingFang SC', 'WenQuanYi Micro Hei', 'WenQuanYi Zen Hei', sans-serif"
)
FONT_SIZE = 12.0
#: Readable on white and on near-black; told apart by people who see few colours (after Okabe-Ito).
PALETTE = ("#3b7dd8", "#e08a1e", "#2a9d78", "#c8507a", "#7b6fd0", "#8a8f98")

# Placeholder -> (CSS variable, fallback). Matplotlib only takes colours that it can parse.
_GROUND, _INK, _QUIET, _GRID = "#fefdfc", "#010203", "#606162", "#e0e1e2"
_VARIABLES = {
    _GROUND: ("--chart-ground", "#ffffff"),
    _INK: ("--chart-ink", "#1d2733"),
    _QUIET: ("--chart-quiet", "#5d6875"),
    _GRID: ("--chart-grid", "#e3e7ec"),
}
_STYLE = re.compile(r' style="([^"]*)"')
_THEMED = re.compile(r"(fill|stroke): (" + "|".join(_VARIABLES) + ")")
_ROOT = re.compile(r"<svg\b.*?>", re.DOTALL)
_IDS = re.compile(r'<g id="[^"]*"')
_TOKEN = re.compile(r"@(\d+)@")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Estimated width in pixels: wide and ambiguous characters one em, others 0.58 em."""
    ems = 0.0
    for character in text:
        if unicodedata.combining(character):
            continue
        ems += 1.0 if unicodedata.east_asian_width(character) in "WFA" else 0.58
    return ems * size


def shorten(text: str, width: float, size: float = FONT_SIZE) -> str:
    """``text`` cut with an ellipsis so that it is at most ``width`` pixels wide."""
    if text_width(text, size) <= width:
        return text
    room = width - size
    for end, character in enumerate(text):
        room -= text_width(character, size)
        if room < 0:
            return text[:end] + "…"
    return text


def printable(text: str) -> str:
    """``text`` without the characters that XML cannot hold, on one line."""
    return " ".join(_NOT_XML.sub("�", text).split())


def number(value: float, like: Sequence[float] = ()) -> str:
    """A number as a reader wants it: 1,234 or 0.873 or 12.3; one form for all of ``like``."""
    values = [float(v) for v in (like or [value])]
    if all(v.is_integer() for v in values):
        return f"{int(value):,}"
    return f"{value:.3f}" if max(map(abs, values)) < 2 else f"{value:,.1f}"


class Canvas:
    """A figure in pixels with the origin at the top left.

    Args:
        width: Pixels.
        height: Pixels, title and legend included.
        title: Drawn at the top left and read out by screen readers; may be empty.
        legend: Names in the order of :data:`PALETTE`, drawn under the title.
    """

    def __init__(self, width: float, height: float, title: str, legend: Sequence[str] = ()) -> None:
        from matplotlib.figure import Figure

        self.width, self.height, self.title = width, height, printable(title)
        self._texts: list[str] = []
        self._figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor=_GROUND)
        if title:
            self._figure_text(12, 22, shorten(self.title, width - 24, 14), 14, weight="bold")
        self._legend(legend, 12, 32 if title else 10)

    @staticmethod
    def header(title: str, legend: Sequence[str] = (), width: float = 10_000) -> float:
        """Pixels that title and legend take at the top."""
        return 12 + (24 if title else 0) + 20 * len(_legend_rows(legend, width))

    def axes(self, left: float, top: float, width: float, height: float, grid: str = "") -> Axes:
        """Axes at a place in pixels; ``grid`` names the axes with grid lines (``x``, ``xy``)."""
        box = (
            left / self.width,
            1 - (top + height) / self.height,
            width / self.width,
            height / self.height,
        )
        axes: Axes = self._figure.add_axes(box)
        axes.set_facecolor("none")
        for side in axes.spines.values():
            side.set_visible(False)
        axes.tick_params(colors=_QUIET, labelsize=FONT_SIZE - 1, length=0, pad=5)
        axes.set_axisbelow(True)
        for direction in grid:
            axes.grid(True, axis=direction, color=_GRID, linewidth=1)  # type: ignore[arg-type]
        return axes

    def text(
        self,
        axes: Axes,
        x: float,
        y: float,
        text: str,
        *,
        dx: float = 0,
        dy: float = 0,
        quiet: bool = False,
        colour: str | None = None,
        **style: Any,
    ) -> None:
        """Writes ``text`` at data position ``x, y``, moved by ``dx, dy`` pixels (up is +)."""
        style = {"fontsize": FONT_SIZE, "va": "center", **style}
        axes.annotate(
            self._token(text),
            (x, y),
            xytext=(dx, dy),
            textcoords="offset points",
            color=colour or (_QUIET if quiet else _INK),
            rotation_mode="anchor",
            annotation_clip=False,
            **style,
        )

    def axis_titles(self, axes: Axes, x_label: str = "", y_label: str = "") -> None:
        """Names of the axes, below and at the left."""
        box = axes.get_position()
        middle_x = (box.x0 + box.x1) / 2 * self.width
        middle_y = (1 - (box.y0 + box.y1) / 2) * self.height
        if x_label:
            self._figure_text(middle_x, self.height - 10, x_label, 12, quiet=True, ha="center")
        if y_label:
            self._figure_text(16, middle_y, y_label, 12, quiet=True, ha="center", rotation=90)

    def svg(self) -> str:
        """The picture as one ``<svg>`` element without a prologue."""
        from matplotlib import rc_context

        buffer = io.StringIO()
        settings: Any = {
            "svg.fonttype": "none",
            "svg.hashsalt": "wenliu",
            "font.family": "DejaVu Sans",
        }
        with rc_context(settings):
            self._figure.savefig(
                buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
            )
        drawing = buffer.getvalue()
        drawing = drawing[drawing.index("<svg") :].rstrip()
        drawing = _IDS.sub("<g", drawing)  # several charts stand in one page
        drawing = drawing.replace("'DejaVu Sans'", FONT_STACK)
        drawing = _STYLE.sub(_themed, drawing)
        drawing = _TOKEN.sub(lambda token: escape(self._texts[int(token[1])]), drawing)
        return _ROOT.sub(lambda _: self._root(), drawing, count=1)

    def _root(self) -> str:
        label = escape(self.title)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'class="chart" width="{self.width:g}" height="{self.height:g}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{label}" '
            f'style="min-width: {min(self.width, 460):g}px">'
        )

    def _token(self, text: str) -> str:
        self._texts.append(printable(text))
        return f"@{len(self._texts) - 1}@"

    def _figure_text(
        self, x: float, y: float, text: str, size: float, *, quiet: bool = False, **style: Any
    ) -> None:
        self._figure.text(
            x / self.width,
            1 - y / self.height,
            self._token(text),
            fontsize=size,
            color=_QUIET if quiet else _INK,
            rotation_mode="anchor",
            **style,
        )

    def _legend(self, names: Sequence[str], left: float, top: float) -> None:
        from matplotlib.patches import Rectangle

        index = 0
        for row in _legend_rows(names, self.width):
            x = left
            for name in row:
                swatch = Rectangle(
                    (x / self.width, 1 - (top + 14) / self.height),
                    10 / self.width,
                    10 / self.height,
                    facecolor=PALETTE[index % len(PALETTE)],
                    transform=self._figure.transFigure,
                )
                self._figure.add_artist(swatch)
                self._figure_text(x + 16, top + 13, name, 12, quiet=True)
                x += 16 + text_width(name) + 18
                index += 1
            top += 20


def _legend_rows(names: Sequence[str], width: float) -> list[list[str]]:
    rows: list[list[str]] = []
    x = width
    for name in names:
        step = 34 + text_width(name)
        if not rows or x + step > width - 12:
            rows.append([])
            x = 12
        rows[-1].append(name)
        x += step
    return rows


def _themed(style: re.Match[str]) -> str:
    """Colours as CSS variables, and as plain attributes for viewers that know no variables."""
    plain = "".join(
        f' {kind}="{_VARIABLES[colour][1]}"' for kind, colour in _THEMED.findall(style[1])
    )
    css = _THEMED.sub(
        lambda m: f"{m[1]}: var({_VARIABLES[m[2]][0]}, {_VARIABLES[m[2]][1]})", style[1]
    )
    return f'{plain} style="{css}"'
