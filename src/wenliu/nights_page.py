"""All nights of a problem on one static page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wenliu import nights
from wenliu.disk import write_atomically
from wenliu.night_facts import SETS
from wenliu.night_status import duration
from wenliu.nights import Night
from wenliu.reporting import timeline
from wenliu.reporting.page import (
    Block,
    Link,
    Section,
    figure,
    key_numbers,
    paragraph,
    percent,
    points,
    render_page,
    table,
)

PAGE = "history.html"
#: Rows of the table that stand open; older nights are folded.
_OPEN_ROWS = 30
_STOPPED = ("failed", "killed")
_SET_WORDS = {
    "gate": "the set that decides",
    "audit": "a set that decides nothing: where it falls behind the gate set, the gate's rows "
    "have been learned by selection",
    "fresh": "rows that came in after the sets were frozen: what people write today",
}


def write_history(project: Path, problem: str) -> Path:
    """Rewrites the page from the records.

    Returns:
        Where it lies.
    """
    folder = nights.reports(project, problem)
    path = folder / PAGE
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, history_page(problem, nights.read(project, problem), folder))
    return path


def history_page(problem: str, records: Sequence[Night], folder: Path) -> str:
    """The page as one string.

    Args:
        problem: Its name.
        records: Oldest first.
        folder: Where the page will lie: links to decision pages that are gone are left out.
    """
    told = [night for night in records if night.status != "running"]
    subtitle = f"{len(told):,} nights"
    if told:
        subtitle += f", {told[0].started:%Y-%m-%d} to {told[-1].started:%Y-%m-%d}; times are UTC"
    sections = [Section("Now", _now(told))]
    if told:
        sections += [
            Section("Scores", _scores(told)),
            Section("Data", _data(told)),
            Section("Durations", _durations(told)),
            Section("Nights", _table(told, folder)),
        ]
    return render_page(f"Nights of {problem}", subtitle, sections)


def _now(told: Sequence[Night]) -> list[Block]:
    if not told:
        return [paragraph("No night has ended yet.")]
    last, counts = told[-1], [night.outcome for night in told]
    stopped = last.outcome in _STOPPED
    verdict = f"The last night, {last.started:%Y-%m-%d %H:%M}: {last.outcome}. {last.reason}"
    total = next((n.rows["total"] for n in reversed(told) if "total" in n.rows), None)
    numbers = [_serving(told)]
    for name in SETS:
        scored = [night for night in told if _served_score(night, name) is not None]
        if scored:
            score, rows = _served_score(scored[-1], name), scored[-1].scores[name]["rows"]
            numbers.append((f"Macro-F1, {name}", percent(score or 0.0), f"on {rows:,} rows"))
    if total is not None:
        gained = sum(night.rows.get("kept", 0) for night in told)
        numbers.append(("Rows", f"{total:,}", f"{gained:,} of them came in by night"))
    trouble = sum(outcome in _STOPPED for outcome in counts)
    note = f"{counts.count('refused')} refused, {counts.count('unchanged')} unchanged"
    numbers.append(("Promoted", str(counts.count("promoted")), f"{note}, {trouble} failed"))
    return [paragraph(verdict, "warning" if stopped else "verdict"), key_numbers(numbers)]


def _serving(told: Sequence[Night]) -> tuple[str, str, str]:
    version = told[-1].champion
    if version is None:
        return "Serving", "none", "no model was promoted yet"
    since = next(
        (n for n in reversed(told) if n.outcome == "promoted" and n.champion == version), None
    )
    return "Serving", f"version {version}", f"since {since.started:%Y-%m-%d}" if since else ""


def _scores(told: Sequence[Night]) -> list[Block]:
    stopped = [night.started for night in told if night.outcome in _STOPPED]
    blocks: list[Block] = []
    for name in SETS:
        scored = [night for night in told if night.score(name, "challenger") is not None]
        if not scored:
            continue
        judged = {
            f"challenger, {outcome}": _series(
                [night for night in scored if night.outcome == outcome], name
            )
            for outcome in ("promoted", "refused")
        }
        serving = [night for night in scored if _served_score(night, name) is not None]
        line = (
            [night.started for night in serving],
            [100 * (_served_score(night, name) or 0.0) for night in serving],
        )
        chart = timeline.steps_and_dots(
            {"serving model": line}, judged, {"failed or killed": stopped},
            title=f"Macro-F1 on the {name} set", y_label="macro-F1 in %",
        )  # fmt: skip
        caption = f"{scored[-1].scores[name]['rows']:,} rows in the last night: {_SET_WORDS[name]}."
        blocks.append(figure(chart, caption))
    return blocks or [paragraph("No night has compared two models yet.")]


def _series(scored: Sequence[Night], name: str) -> timeline.Series:
    values = [100 * (night.score(name, "challenger") or 0.0) for night in scored]
    return [night.started for night in scored], values


def _data(told: Sequence[Night]) -> list[Block]:
    counted = [night for night in told if night.rows]
    sized = [night for night in counted if "total" in night.rows]
    blocks = []
    if sized:
        growth = ([n.started for n in sized], [float(n.rows["total"]) for n in sized])
        blocks.append(
            figure(
                timeline.steps_and_dots(
                    {"rows": growth}, {}, {}, title="Rows of the whole table", y_label="rows"
                )
            )
        )
    kinds = ("kept", "quarantined", "duplicates")
    if any(night.rows.get("rows_in") for night in counted):
        groups = {kind: [float(night.rows.get(kind, 0)) for night in counted] for kind in kinds}
        chart = timeline.columns(
            [n.started for n in counted], groups, title="Rows that came in", y_label="rows"
        )
        blocks.append(figure(chart))
    if counted:
        columns = ["Started", "Rows in", *(kind.capitalize() for kind in kinds), "Drift"]
        rows = [
            (
                _day(night),
                *(night.rows.get(key) for key in ("rows_in", *kinds)),
                (night.drift or {}).get("verdict"),
            )
            for night in reversed(counted)
        ]
        blocks.append(table(columns, rows, caption="Rows of every night", folded=True))
    return blocks or [paragraph("No night has taken in a file yet.")]


def _durations(told: Sequence[Night]) -> list[Block]:
    timed = [night for night in told if night.seconds is not None]
    longest = max((night.seconds or 0.0 for night in timed), default=0.0)
    unit, size = ("minutes", 60.0) if longest >= 120 else ("seconds", 1.0)
    chart = timeline.columns(
        [night.started for night in timed],
        {unit: [(night.seconds or 0.0) / size for night in timed]},
        title="How long the nights took",
        y_label=unit,
    )
    return [figure(chart)]


def _table(told: Sequence[Night], folder: Path) -> list[Block]:
    columns = ["Started", "Outcome", "Why", "Serves", "Macro-F1", "Kept", "Took"]
    rows = [_row(night, folder) for night in reversed(told)]
    blocks = [table(columns, rows[:_OPEN_ROWS])]
    if older := rows[_OPEN_ROWS:]:
        blocks.append(table(columns, older, caption=f"{len(older)} older nights", folded=True))
    blocks.append(
        paragraph(
            "An outcome leads to the decision's page, as long as it is kept. Macro-F1 is the "
            "challenger's on the gate set, in brackets the difference to the champion in points; "
            "kept are the new rows."
        )
    )
    return blocks


def _row(night: Night, folder: Path) -> tuple[object, ...]:
    page = (night.decision or {}).get("page")
    outcome = night.outcome or night.status
    score, champion = night.score("gate", "challenger"), night.score("gate", "champion")
    against = "" if score is None or champion is None else f" ({points(score - champion)})"
    return (
        _day(night),
        Link(outcome, page) if page and (folder / page).is_file() else outcome,
        night.reason,
        night.champion,
        None if score is None else f"{percent(score)}{against}",
        night.rows.get("kept"),
        duration(night.seconds).replace(" ", "\u00a0"),
    )


def _day(night: Night) -> str:
    return f"{night.started:%Y-%m-%d %H:%M}"


def _served_score(night: Night, name: str) -> float | None:
    """Of the model that serves after the night."""
    return night.score(name, "challenger" if night.outcome == "promoted" else "champion")
