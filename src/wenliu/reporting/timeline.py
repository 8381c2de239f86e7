"""Charts over days: what each night scored, how much came in, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from wenliu.reporting.canvas import PALETTE, Canvas
from wenliu.reporting.charts import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _HEIGHT, _BOTTOM = 76.0, 230.0, 34.0
#: Values of a series with the times they belong to.
Series = tuple[Sequence[datetime], Sequence[float]]


def steps_and_dots(
    steps: Mapping[str, Series],
    dots: Mapping[str, Series],
    misses: Mapping[str, Sequence[datetime]],
    *,
    title: str,
    y_label: str,
) -> str:
    """What holds until the next change, and what happened at single times.

    Args:
        steps: Drawn as lines that hold their value until the next one.
        dots: Drawn as points.
        misses: Times without a value; drawn as crosses at the foot.
        title: Of the chart.
        y_label: Name of the value axis.
    """
    names = [*steps, *dots, *misses]
    canvas, axes = _canvas(names if len(names) > 1 else [], title)
    colours = iter(PALETTE)
    most = max((len(times) for times, _ in [*steps.values(), *dots.values()]), default=1)
    width = _thickness(most, 1.2, 2)
    for times, values in steps.values():
        axes.plot(
            _days(times),
            values,
            drawstyle="steps-post",
            color=next(colours),
            linewidth=width,
            marker="o" if len(times) < 3 else None,  # a line of one night has no length
            markersize=4,
        )
    for times, values in dots.values():
        size = _thickness(most, 3.5, 5.5)
        axes.plot(_days(times), values, "o", color=next(colours), markersize=size, zorder=3)
    axes.margins(y=0.08)
    foot = axes.get_ylim()[0]
    for times in misses.values():
        axes.plot(
            _days(times), [foot] * len(times), "x", color=next(colours), markersize=6, clip_on=False
        )
    axes.set_ylim(bottom=foot)
    every = [*steps.values(), *dots.values()]
    return _finish(canvas, axes, [t for times, _ in every for t in times], y_label)


def columns(
    times: Sequence[datetime],
    groups: Mapping[str, Sequence[float]],
    *,
    title: str,
    y_label: str,
) -> str:
    """One column for each time, the groups on top of each other."""
    canvas, axes = _canvas(list(groups) if len(groups) > 1 else [], title)
    width = _thickness(len(times), 1.2, 16)
    floor = [0.0] * len(times)
    for colour, values in zip(PALETTE, groups.values(), strict=False):
        top = [low + value for low, value in zip(floor, values, strict=True)]
        axes.vlines(_days(times), floor, top, color=colour, linewidth=width)
        floor = top
    axes.set_ylim(0, max([*floor, 0.0]) * 1.08 or 1.0)
    return _finish(canvas, axes, times, y_label)


def _canvas(names: Sequence[str], title: str) -> tuple[Canvas, Axes]:
    top = Canvas.header(title, names, WIDTH) + 6
    canvas = Canvas(WIDTH, top + _HEIGHT + _BOTTOM, title, names)
    return canvas, canvas.axes(_LEFT, top, WIDTH - _LEFT - 24, _HEIGHT, grid="y")


def _finish(canvas: Canvas, axes: Axes, times: Sequence[datetime], y_label: str) -> str:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DayLocator
    from matplotlib.ticker import MaxNLocator

    first, last = (min(times), max(times)) if times else (datetime.now(), datetime.now())
    # Room at both ends, so that a single night stands in the middle of some days.
    room = max((last - first) * 0.02, timedelta(days=0.7))
    axes.set_xlim(*_days([first - room, last + room]))
    # Whole days: nights have no hours.
    days = DayLocator() if last - first < timedelta(days=8) else AutoDateLocator(maxticks=8)
    formatter = ConciseDateFormatter(days, show_offset=False)
    formatter.formats = ["%Y", "%Y-%m", "%m-%d", "%m-%d", "%m-%d", "%m-%d"]
    formatter.zero_formats = ["", "%Y-%m", "%Y-%m", "%m-%d", "%m-%d", "%m-%d"]
    axes.xaxis.set_major_locator(days)
    axes.xaxis.set_major_formatter(formatter)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    canvas.axis_titles(axes, y_label=y_label)
    return canvas.svg()


def _days(times: Sequence[datetime]) -> list[float]:
    from matplotlib.dates import date2num

    return [float(date2num(time)) for time in times]


def _thickness(n: int, least: float, most: float) -> float:
    """Pixels for each of ``n`` marks side by side."""
    return max(least, min(most, 0.7 * (WIDTH - _LEFT - 24) / max(1, n)))
