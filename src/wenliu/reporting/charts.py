"""The charts of all reports, each from plain numbers to one ``<svg>`` string.

Bars lie down: Chinese labels are read without turning the head, and a chart grows with its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wenliu.reporting.canvas import PALETTE, Canvas, number, shorten, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 720.0
_LONGEST_LABEL = 220.0


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    errors: Sequence[tuple[float, float]] | None = None,
) -> str:
    """Horizontal bars, the first label on top.

    Args:
        labels: One for each bar.
        values: Finite numbers.
        title: Of the chart.
        x_label: Name of the value axis.
        errors: Lower and upper bound of each value, in the unit of the values.
    """
    bottom = 44 if x_label else 28
    top = Canvas.header(title)
    height = max(1, len(labels)) * 26.0
    canvas = Canvas(WIDTH, top + height + bottom, title)
    left = _label_room(labels)
    axes = canvas.axes(left, top, WIDTH - left - 70, height, grid="x")
    _draw_bars(canvas, axes, labels, {"": values}, left - 20, errors)
    canvas.axis_titles(axes, x_label)
    return canvas.svg()


def grouped_bars(
    groups: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    *,
    title: str,
    y_label: str = "",
) -> str:
    """For each label one horizontal bar of every group; ``y_label`` names the value axis."""
    names = list(groups)
    top = Canvas.header(title, names, WIDTH)
    height = max(1, len(labels)) * (14.0 * len(names) + 14)
    canvas = Canvas(WIDTH, top + height + (44 if y_label else 28), title, names)
    left = _label_room(labels)
    axes = canvas.axes(left, top, WIDTH - left - 70, height, grid="x")
    _draw_bars(canvas, axes, labels, groups, left - 20)
    canvas.axis_titles(axes, y_label)
    return canvas.svg()


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> str:
    """One line for each entry of ``series`` (name to x values and y values)."""
    names = list(series)
    top = Canvas.header(title, names, WIDTH) + 6
    canvas = Canvas(WIDTH, top + 300, title, names)
    axes = canvas.axes(76, top, WIDTH - 76 - 24, 245, grid="y")
    for colour, (xs, ys) in zip(_colours(len(names)), series.values(), strict=True):
        marker = "o" if len(xs) <= 40 else None
        axes.plot(xs, ys, color=colour, linewidth=2, marker=marker, markersize=4.5)
    axes.margins(x=0.02, y=0.08)
    canvas.axis_titles(axes, x_label, y_label)
    return canvas.svg()


def heatmap(
    matrix: Sequence[Sequence[float]],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
) -> str:
    """A matrix of counts; the shade of a cell is its share of its row."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    n_columns = max(1, len(column_labels))
    left = _label_room(row_labels) + (22 if y_label else 0)
    cell = max(22.0, min(64.0, (WIDTH - left - 24) / n_columns))
    height_of = min(cell, 40.0)
    head = min(_LONGEST_LABEL, max((text_width(name) for name in column_labels), default=0))
    upright = head <= cell - 6
    head = 26.0 if upright else head * 0.75 + 24
    top = Canvas.header(title) + head + (22 if x_label else 0)
    # Slanted names lean out to the right of the last column.
    width = left + cell * n_columns + (24 if upright else head)
    canvas = Canvas(max(width, 320), top + height_of * len(row_labels) + 16, title)
    axes = canvas.axes(left, top, cell * n_columns, height_of * max(1, len(row_labels)))
    axes.set_xlim(0, n_columns)
    axes.set_ylim(max(1, len(row_labels)), 0)
    axes.set_xticks([])
    axes.set_yticks([])
    accent = to_rgb(PALETTE[0])
    for i, row in enumerate(matrix):
        total = float(sum(row))
        for j, value in enumerate(row):
            share = float(value) / total if total else 0.0
            face = (*accent, 0.04 + 0.96 * share)
            axes.add_patch(Rectangle((j + 0.03, i + 0.03), 0.94, 0.94, facecolor=face))
            if value and text_width(number(value)) < cell:
                size = 12 if cell >= 34 else 10
                # White on strong blue, ink on pale: either way readable on light and dark paper.
                colour = "#ffffff" if share > 0.55 else None
                canvas.text(
                    axes, j + 0.5, i + 0.5, number(value), ha="center", fontsize=size, colour=colour
                )
    for i, name in enumerate(row_labels):
        canvas.text(axes, 0, i + 0.5, shorten(name, _LONGEST_LABEL), dx=-8, ha="right")
    for j, name in enumerate(column_labels):
        short = shorten(name, _LONGEST_LABEL)
        if upright:
            canvas.text(axes, j + 0.5, 0, short, dy=12, ha="center")
        else:
            canvas.text(axes, j + 0.5, 0, short, dx=-2, dy=8, ha="left", rotation=42)
    if x_label:
        canvas.text(axes, n_columns / 2, 0, x_label, dy=head + 8, ha="center", quiet=True)
    if y_label:
        canvas.axis_titles(axes, y_label=y_label)
    return canvas.svg()


def bar_grid(panels: Mapping[str, tuple[Sequence[str], Sequence[float]]], *, title: str) -> str:
    """A small bar chart for each entry of ``panels`` (name to labels and values), in a grid."""
    columns = 2 if len(panels) > 1 else 1
    longest = max((len(labels) for labels, _ in panels.values()), default=1)
    top = Canvas.header(title)
    panel_width = WIDTH / columns
    body = max(1, longest) * 20.0
    panel_height = body + 44
    rows = -(-len(panels) // columns)
    canvas = Canvas(WIDTH, top + rows * panel_height + 8, title)
    for index, (name, (labels, values)) in enumerate(panels.items()):
        x = (index % columns) * panel_width
        y = top + (index // columns) * panel_height
        left = min(_label_room(labels), panel_width * 0.45)
        height = max(1, len(labels)) * 20.0
        axes = canvas.axes(x + left, y + 30, panel_width - left - 62, height)
        _draw_bars(canvas, axes, labels, {"": values}, left - 20, colour=PALETTE[index % 6])
        axes.set_xticks([])
        low, _ = axes.get_xlim()
        heading = shorten(name, panel_width - 40)
        canvas.text(axes, low, -0.5, heading, dx=14 - left, dy=14, ha="left", weight="bold")
    return canvas.svg()


def reliability(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, title: str
) -> str:
    """Accuracy over confidence for each curve (name to confidences and accuracies)."""
    names = list(curves)
    top = Canvas.header(title, names, 460) + 6
    canvas = Canvas(460, top + 400, title, names)
    axes = canvas.axes(76, top, 350, 345, grid="xy")
    axes.plot([0, 1], [0, 1], color=PALETTE[5], linewidth=1.2, linestyle=(0, (4, 4)))
    for colour, (confidence, accuracy) in zip(_colours(len(names)), curves.values(), strict=True):
        axes.plot(confidence, accuracy, color=colour, linewidth=2, marker="o", markersize=4.5)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(0, 1.01)
    canvas.axis_titles(axes, "confidence", "accuracy")
    return canvas.svg()


def _draw_bars(
    canvas: Canvas,
    axes: Axes,
    labels: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    room: float,
    errors: Sequence[tuple[float, float]] | None = None,
    colour: str | None = None,
) -> None:
    every = [float(value) for values in groups.values() for value in values]
    thickness = (0.62 if len(groups) == 1 else 0.78) / max(1, len(groups))
    highest, lowest = 0.0, 0.0
    for index, values in enumerate(groups.values()):
        offset = (index - (len(groups) - 1) / 2) * thickness
        centres = [i + offset for i in range(len(labels))]
        shade = colour or PALETTE[index % len(PALETTE)]
        axes.barh(centres, values, height=thickness * 0.92, color=shade)
        for i, value in enumerate(values):
            end = float(value)
            if errors:
                low, high = errors[i]
                axes.plot([low, high], [i, i], color="#7d8590", linewidth=1.6)
                end = max(end, high)
            highest, lowest = max(highest, end), min(lowest, end)
            size = 11 if len(groups) == 1 else 10
            note = number(value, every)
            x = end if value >= 0 else 0
            canvas.text(axes, x, i + offset, note, dx=5, fontsize=size, ha="left", quiet=True)
    axes.set_xlim(lowest * 1.08, (highest or 1.0) * 1.02)
    axes.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    axes.set_yticks([])
    left_edge = axes.get_xlim()[0]
    for i, name in enumerate(labels):
        canvas.text(axes, left_edge, i, shorten(name, room), dx=-8, ha="right")


def _label_room(labels: Sequence[str]) -> float:
    return min(_LONGEST_LABEL, max((text_width(name) for name in labels), default=0.0)) + 24


def _colours(n: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(n)]
