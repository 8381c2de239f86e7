"""The evaluation report as a page: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wenliu.pipelines.evaluation.verdict import BASELINE_NAMES
from wenliu.reporting import charts
from wenliu.reporting.page import (
    Block,
    Section,
    figure,
    key_numbers,
    p_value,
    paragraph,
    percent,
    points,
    render_page,
    table,
)

#: Labels in the confusion heatmap and the bars; of more, those with the most errors are shown.
_CHARTED_LABELS = 16
_OPEN_ROWS = 15
_SET_NAMES = {
    "test": "test, official (all rows)",
    "test_leak_free": "test, leak-free",
    "validation": "validation",
    "validation_leak_free": "validation, leak-free",
}


def evaluation_page(report: Mapping[str, Any]) -> str:
    """One self-contained HTML page from ``evaluation_report``."""
    model = report["model"]
    size = f", {model['parameters']:,} parameters" if model.get("parameters") else ""
    subtitle = f"Checkpoint {model['source']}{size}; {len(report['labels'])} labels"
    sources = [row["slice"] for row in report["scores"]["slices"]["source"]]
    subtitle += f"; rows from {', '.join(sources)}"
    scored = report["scores"]["sets"][report["scores"]["judged_on"]]
    sections = [
        Section("Result", _result(report)),
        Section("Model and baseline", _comparison(report)),
        Section("Labels", _labels(report, scored)),
        Section("Calibration", _calibration(report, scored)),
        Section("Slices", _slices(report)),
        Section("Most confident errors", _errors(report)),
        Section("Label suspects", _suspects(report)),
    ]
    return render_page("Evaluation", subtitle, sections)


def _result(report: Mapping[str, Any]) -> list[Block]:
    verdict, scores = report["verdict"], report["scores"]
    judged_on = scores["judged_on"]
    scored, clean = scores["sets"][judged_on], scores["sets"].get(f"{judged_on}_leak_free")
    model, baseline, difference = scored["model"], scored["baseline"], scored["difference"]
    numbers = [
        ("Macro-F1", percent(model["macro_f1"]), _range(model, "macro_f1")),
        ("Accuracy", percent(model["accuracy"]), _range(model, "accuracy")),
        ("Baseline macro-F1", percent(baseline["macro_f1"]), _range(baseline, "macro_f1")),
        (
            "Difference, all rows",
            points(difference["macro_f1"]),
            f"points, {points(difference['low'])} to {points(difference['high'])}",
        ),
    ]
    if clean and clean["rows"] < scored["rows"]:
        numbers.append(
            (
                "Leak-free macro-F1",
                percent(clean["model"]["macro_f1"]),
                f"{_range(clean['model'], 'macro_f1')} on {clean['rows']:,} rows",
            )
        )
    numbers.append(
        (
            "Calibration error",
            f"{scored['calibration']['ece_after']:.3f}",
            f"{scored['calibration']['ece_before']:.3f} before temperature scaling; "
            f"{_chance(scored['calibration'])} by chance alone",
        )
    )
    blocks = [paragraph(verdict["sentence"], "verdict"), key_numbers(numbers)]
    blocks += [paragraph(warning, "warning") for warning in verdict["warnings"]]
    blocks += [paragraph(note) for note in verdict["notes"]]
    blocks.append(
        paragraph(
            f"Big numbers are of all {scored['rows']:,} {judged_on} rows, with "
            f"{100 * report['settings']['confidence']:g} % intervals from "
            f"{report['settings']['bootstrap']:,} bootstrap resamples."
        )
    )
    return blocks


def _comparison(report: Mapping[str, Any]) -> list[Block]:
    rows = []
    for name, scored in report["scores"]["sets"].items():
        model, baseline, difference = scored["model"], scored["baseline"], scored["difference"]
        rows.append(
            (
                _SET_NAMES[name],
                scored["rows"],
                percent(model["accuracy"]),
                percent(model["macro_f1"]),
                percent(baseline["accuracy"]),
                percent(baseline["macro_f1"]),
                f"{points(difference['macro_f1'])} ({points(difference['low'])} to "
                f"{points(difference['high'])})",
                p_value(difference["mcnemar_p"]),
            )
        )
    baselines = report["baseline"]
    sets = next(iter(baselines["scores"].values()))
    tried = [
        (
            BASELINE_NAMES[kind] + (" (chosen)" if kind == baselines["kind"] else ""),
            *(percent(s["macro_f1"]) for s in scores.values()),
        )
        for kind, scores in baselines["scores"].items()
    ]
    return [
        table(
            ["Rows", "Count", "Accuracy", "Macro-F1", "Baseline accuracy", "Baseline macro-F1",
             "Difference of macro-F1", "McNemar p"],
            rows,
        ),
        paragraph(
            "Leak-free rows have no twin (identical, normalised or near) in training as given. "
            "The interval of the difference comes from resampling the same rows for both; McNemar "
            "is exact, on the rows that only one of the two gets right."
        ),
        table(
            ["Macro-F1 of the baselines", *(name.replace("_", " ") for name in sets)],
            tried,
            caption=f"Trained on the same {baselines['rows']:,} rows; the better on "
            f"{baselines['chosen_on']} rows is the baseline",
        ),
    ]  # fmt: skip


def _labels(report: Mapping[str, Any], scored: Mapping[str, Any]) -> list[Block]:
    names, model = report["labels"], scored["model"]
    counts = np.array(model["confusion"])
    missed = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-missed, kind="stable")[:_CHARTED_LABELS])
    labels = [names[i] for i in shown]
    part = "" if len(names) <= _CHARTED_LABELS else f" ({len(labels)} with the most errors)"
    bars = {
        "model": [model["f1"][i] for i in shown],
        "baseline": [scored["baseline"]["f1"][i] for i in shown],
    }
    confused = [
        (names[i], names[j], int(counts[i, j]))
        for i, j in zip(
            *np.unravel_index(np.argsort(-counts, axis=None), counts.shape), strict=True
        )
        if i != j and counts[i, j]
    ]
    return [
        figure(
            charts.heatmap(
                counts[np.ix_(shown, shown)].tolist(), labels, labels,
                title=f"Confusion matrix{part}", x_label="predicted", y_label="gold",
            ),
            "Counts; the shade is the share of the row.",
        ),
        figure(charts.grouped_bars(bars, labels, title=f"F1 by label{part}", y_label="F1")),
        table(
            ["Label", "Precision", "Recall", "F1", "Baseline F1", "Rows", "Predicted"],
            [
                (name, *(percent(model[key][i]) for key in ("precision", "recall", "f1")),
                 percent(scored["baseline"]["f1"][i]), model["support"][i], model["predicted"][i])
                for i, name in enumerate(names)
            ],
            caption="All labels", folded=len(names) > _OPEN_ROWS,
        ),
        table(["Gold", "Predicted", "Rows"], confused[:_OPEN_ROWS], caption="Frequent mix-ups"),
        table(
            ["Average", "Precision", "Recall", "F1"],
            [
                (kind, *(percent(model[f"{kind}_{key}"]) for key in ("precision", "recall", "f1")))
                for kind in ("macro", "micro", "weighted")
            ],
        ),
    ]  # fmt: skip


def _calibration(report: Mapping[str, Any], scored: Mapping[str, Any]) -> list[Block]:
    calibration = scored["calibration"]
    curves = {
        f"{when} scaling": (
            calibration[f"curve_{when}"]["confidence"],
            calibration[f"curve_{when}"]["accuracy"],
        )
        for when in ("before", "after")
    }
    return [
        paragraph(
            f"Temperature {report['calibration']['temperature']:.3f}, fitted on "
            f"{report['calibration']['rows']:,} validation rows. On the dashed line a confidence "
            "of 80 % is right in 80 % of the rows; below it the model is too sure of itself."
        ),
        figure(
            charts.reliability(curves, title="Reliability"),
            f"{len(calibration['curve_after']['rows'])} bins of equal row counts.",
        ),
        table(
            ["", "Before", "After"],
            [
                ("Calibration error", calibration["ece_before"], calibration["ece_after"]),
                ("Log loss", calibration["log_loss_before"], calibration["log_loss_after"]),
            ],
        ),
        paragraph(
            "A model whose confidence is right to the digit would show an error of "
            f"{_chance(calibration)} on these rows: only above that the error says something."
        ),
    ]


def _slices(report: Mapping[str, Any]) -> list[Block]:
    blocks = []
    for name, found in report["scores"]["slices"].items():
        rows = [
            (
                s["slice"], s["rows"], percent(s["accuracy"]), _range(s, "accuracy"),
                percent(s["macro_f1"]), percent(s["baseline_accuracy"]),
            )
            for s in found
        ]  # fmt: skip
        columns = [f"By {name}", "Rows", "Accuracy", "Interval", "Macro-F1", "Baseline accuracy"]
        blocks.append(table(columns, rows))
    blocks.append(
        paragraph(
            "Small slices swing: read the interval before the number. Among many slices one looks "
            "bad by chance alone."
        )
    )
    return blocks


def _errors(report: Mapping[str, Any]) -> list[Block]:
    errors = report["findings"]["errors"]
    if not errors:
        return [paragraph("The model makes no error on these rows.", "good")]
    rows = [
        (
            e["text"], e["label"], e["predicted"], percent(e["probability"]), e["baseline"],
            e["id"] + (" (has a twin in training)" if e["leak"] else ""),
        )
        for e in errors
    ]  # fmt: skip
    return _split(["Text", "Gold", "Predicted", "Probability", "Baseline says", "Row"], rows)


def _suspects(report: Mapping[str, Any]) -> list[Block]:
    blocks = [
        paragraph(
            "Rows whose label may be wrong, by confident learning: training rows by the baseline "
            "out of fold, the others by the model. The weaker the model, the more of these are "
            "its own errors. A person decides."
        )
    ]
    for split, found in report["findings"]["suspects"].items():
        share = percent(found["suspects"] / found["rows"]) if found["rows"] else "0 %"
        caption = f"{split}: {found['suspects']:,} of {found['rows']:,} rows ({share})"
        rows = [
            (
                s["text"], s["label"], percent(s["label_probability"]), s["suggested"],
                percent(s["suggested_probability"]), s["id"],
            )
            for s in found["shown"]
        ]  # fmt: skip
        if rows:
            columns = ["Text", "Label", "Probability", "Suggested", "Probability", "Row"]
            blocks.append(table(columns, rows, caption=caption, folded=True))
        else:
            blocks.append(paragraph(caption))
    return blocks


def _split(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[Block]:
    """The first rows open, the rest folded."""
    blocks = [table(columns, rows[:_OPEN_ROWS])]
    if len(rows) > _OPEN_ROWS:
        rest = rows[_OPEN_ROWS:]
        blocks.append(table(columns, rest, caption=f"{len(rest)} more", folded=True))
    return blocks


def _chance(calibration: Mapping[str, Any]) -> str:
    return f"{calibration['ece_chance_low']:.3f} to {calibration['ece_chance_high']:.3f}"


def _range(scores: Mapping[str, Any], name: str) -> str:
    return f"{100 * scores[f'{name}_low']:.1f} to {100 * scores[f'{name}_high']:.1f} %"
