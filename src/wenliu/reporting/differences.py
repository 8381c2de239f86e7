"""Differences with their bounds beside the limit that they are held against."""

from __future__ import annotations

from collections.abc import Mapping

from wenliu.reporting.canvas import PALETTE, Canvas, shorten, text_width
from wenliu.reporting.charts import WIDTH

_ROW, _LONGEST_LABEL = 44.0, 200.0


def differences(
    rows: Mapping[str, tuple[float, float, float]],
    *,
    title: str,
    x_label: str,
    limit: float | None = None,
    limit_label: str = "",
) -> str:
    """A dot with its bounds for each row, a line at 0 and a dashed one at the limit.

    Args:
        rows: Name to value, lower and upper bound.
        title: Of the chart.
        x_label: Name of the value axis.
        limit: Of the first row only, whose line it crosses.
        limit_label: Written beside it.
    """
    top = Canvas.header(title) + (22 if limit_label else 6)
    height = max(1, len(rows)) * _ROW
    canvas = Canvas(WIDTH, top + height + 48, title)
    left = min(_LONGEST_LABEL, max(map(text_width, rows), default=0.0)) + 24
    axes = canvas.axes(left, top, WIDTH - left - 80, height, grid="x")
    ends = [bound for values in rows.values() for bound in values]
    ends += [0.0, limit or 0.0]
    room = 0.08 * (max(ends) - min(ends) or 1.0)
    axes.set_xlim(min(ends) - room, max(ends) + room)
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    axes.set_yticks([])
    axes.axvline(0.0, color=PALETTE[5], linewidth=1.4)
    if limit is not None:
        axes.plot([limit, limit], [-0.5, 0.5], color=PALETTE[3], linewidth=2, linestyle=(0, (4, 3)))
        canvas.text(axes, limit, -0.5, limit_label, dy=10, ha="center", fontsize=11, quiet=True)
    for i, (name, (value, low, high)) in enumerate(rows.items()):
        colour = PALETTE[0] if i == 0 else PALETTE[5]
        axes.plot([low, high], [i, i], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot([value], [i], color=colour, marker="o", markersize=9)
        canvas.text(axes, axes.get_xlim()[0], i, shorten(name, _LONGEST_LABEL), dx=-8, ha="right")
        note = f"{value:+.2f}".replace("-", "−")
        canvas.text(axes, axes.get_xlim()[1], i, note, dx=8, ha="left", quiet=True)
    canvas.axis_titles(axes, x_label)
    return canvas.svg()
