"""The drift report as a page: the verdict first, then every measure with its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wenliu.pipelines.drift.verdict import KINDS
from wenliu.reporting import charts
from wenliu.reporting.page import (
    Block,
    Section,
    figure,
    key_numbers,
    paragraph,
    percent,
    render_page,
    table,
)

_OLDER, _NEW = "older rows", "new rows"
#: Labels of a chart; of more, those that changed most are shown.
_CHARTED_LABELS = 16
_RESULTS = {
    "ok": "The new rows look like the older ones.",
    "warn": "The new rows differ from the older ones: look at what changed.",
    "fail": "The new rows are another kind of data: tonight's model must not be promoted.",
    "none": "There is nothing to compare: no new rows, or too few.",
}


def drift_page(report: Mapping[str, Any]) -> str:
    """One self-contained HTML page from ``drift_report``."""
    subtitle = f"{report['new_rows']:,} new rows, {report['reference_rows']:,} older ones"
    sections = [Section("Result", _result(report))]
    if any(report["charts"].values()):
        sections += [
            Section("Labels", _labels(report)),
            Section("Texts", _texts(report)),
            Section("What the model makes of them", _model(report)),
        ]
    return render_page("Drift", subtitle, sections)


def _result(report: Mapping[str, Any]) -> list[Block]:
    blocks = [paragraph(_RESULTS[report["verdict"]], "verdict")]
    blocks += [paragraph(warning, "warning") for warning in report["warnings"]]
    if not report["measures"]:
        return blocks
    significance = report["settings"]["significance"]
    rows = [_row(KINDS[name].title, measure) for name, measure in report["measures"].items()]
    return [
        *blocks,
        table(
            ["Measure", "Value", "By chance", "p", "Warns from", "Fails from", "New rows",
             "Older rows", "Verdict"],
            rows,
        ),
        paragraph(
            "A measure speaks only if it is large and sure: its value, less what chance gives for "
            f"so many rows, reaches a limit, and p is at most {significance:g}. By chance and p "
            "come from dealing the same rows to the two sides at random."
        ),
        paragraph(f"New rows are from {', '.join(report['sources'])}."),
    ]  # fmt: skip


def _row(title: str, measure: Mapping[str, Any]) -> list[object]:
    older, new = measure["rows"]
    if measure["value"] is None:
        shown: list[object] = [None, None, None]
    else:
        shown = [float(measure[key]) for key in ("value", "expected", "p")]
    limits = [None if measure[key] is None else float(measure[key]) for key in ("warn", "fail")]
    return [title, *shown, *limits, new, older, measure["verdict"]]


def _labels(report: Mapping[str, Any]) -> list[Block]:
    blocks = []
    for name, title in (
        ("label_shares", "Share of each label"),
        ("predicted_shares", "Share of each predicted label"),
    ):
        if found := report["charts"][name]:
            blocks.append(figure(_shares(found, title)))
    if lost := report["charts"]["lost_labels"]:
        blocks.append(paragraph(f"No new row has the label {', '.join(lost)}."))
    return blocks


def _shares(found: Mapping[str, Any], title: str) -> str:
    change = [abs(new - old) for new, old in zip(found["new"], found["reference"], strict=True)]
    most = sorted(range(len(change)), key=lambda i: -change[i])[:_CHARTED_LABELS]
    shown = sorted(most)
    part = "" if len(shown) == len(change) else f" ({len(shown)} that changed most)"
    groups = {
        _OLDER: [100 * found["reference"][i] for i in shown],
        _NEW: [100 * found["new"][i] for i in shown],
    }
    return charts.grouped_bars(
        groups, [found["labels"][i] for i in shown], title=title + part, y_label="% of the rows"
    )


def _texts(report: Mapping[str, Any]) -> list[Block]:
    blocks = []
    if lengths := report["charts"]["length"]:
        curves = {
            _OLDER: (lengths["characters"], lengths["reference"]),
            _NEW: (lengths["characters"], lengths["new"]),
        }
        blocks.append(
            figure(
                charts.lines(
                    curves, title="Length of the texts", x_label="characters",
                    y_label="share of rows up to that length",
                )
            )
        )  # fmt: skip
    if scores := report["charts"]["domain"]:
        blocks.append(
            figure(
                _histogram(scores, "Domain classifier", "score: how new a text looks"),
                "Where the curves lie on one another, the texts cannot be told apart.",
            )
        )
    if telling := report["charts"]["bigrams"]:
        rows = [(b["bigram"], percent(b["reference"], 2), percent(b["new"], 2)) for b in telling]
        columns = ["Bigram", f"Share among {_OLDER}", f"Share among {_NEW}"]
        blocks.append(table(columns, rows, caption="Character bigrams that changed most"))
    return blocks


def _model(report: Mapping[str, Any]) -> list[Block]:
    blocks = [
        paragraph(
            f"Asked was {report['model']}, on rows that no training has seen: validation and test."
        )
    ]
    numbers = []
    if confidence := report["charts"]["confidence"]:
        old, new = confidence["means"]
        numbers.append(("Mean confidence", percent(new), f"{percent(old)} on {_OLDER}"))
    if unknown := report["charts"]["unknown"]:
        old, new = unknown["rates"]
        numbers.append(("Unknown tokens", percent(new, 2), f"{percent(old, 2)} of {_OLDER}"))
    if numbers:
        blocks.append(key_numbers(numbers))
    if confidence:
        title = "Confidence of the predictions"
        blocks.append(figure(_histogram(confidence, title, "probability of the predicted label")))
    return blocks


def _histogram(found: Mapping[str, Any], title: str, x_label: str) -> str:
    curves = {
        _OLDER: (found["middles"], found["reference"]),
        _NEW: (found["middles"], found["new"]),
    }
    return charts.lines(curves, title=title, x_label=x_label, y_label="share of rows")
