"""The audit's report as a page."""

from __future__ import annotations

from typing import Any

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
from wenliu.schemas import DROPPED

#: More labels than this stand in a folded table only.
_CHARTED_LABELS = 40
_NAMED_FILES = 6


def audit_page(report: dict[str, Any]) -> str:
    """One self-contained HTML page from ``audit_report``."""
    splits = {name: side for name, side in report["splits"].items() if side["rows"]}
    subtitle = ", ".join(f"{side['rows']:,} {name}" for name, side in splits.items())
    sections = [
        Section("At a glance", _glance(report)),
        Section("Twins between the splits", _leaks(report)),
        Section("Repeats and conflicting labels", _repeats(report)),
        Section("Labels", _labels(splits)),
        Section("Length", [_lengths(splits)]),
    ]
    subtitle = f"{report['rows']:,} rows: {subtitle}; from {_files(list(report['sources']))}"
    return render_page("Audit of the data", subtitle, sections)


def _glance(report: dict[str, Any]) -> list[Block]:
    train, dropped = report["splits"]["train"], report["dropped"]
    exam = "test" if report["splits"]["test"]["rows"] else "validation"
    rows = report["splits"][exam]["rows"]
    twins = report["leaks"][f"{exam}_in_train"]["near"]
    share = percent(twins / rows) if rows else "no such rows"
    blocks = [
        key_numbers(
            [
                ("Training rows kept", f"{train['kept']:,}", f"of {train['rows']:,}"),
                (f"{exam.capitalize()} rows seen in training", f"{twins:,}", share),
                ("Texts with several labels", f"{report['conflicts']['texts']:,}",
                 f"{report['conflicts']['texts_in_train']:,} within training"),
                ("Blank rows", f"{sum(report['blank'].values()):,}", "in all splits"),
            ]
        )
    ]  # fmt: skip
    blocks += [paragraph(warning, "warning") for warning in report["warnings"]]
    if not report["warnings"]:
        blocks.append(paragraph("Nothing here needs attention.", "good"))
    named = [(reason, dropped[reason], DROPPED[reason]) for reason in DROPPED]
    blocks.append(table(["Dropped as", "Rows", "Because"], named, caption="Rows not learned from"))
    return blocks


def _leaks(report: dict[str, Any]) -> list[Block]:
    policies = report["policies"]
    rows = [
        (name.replace("_in_", " rows found in "), *counts.values())
        for name, counts in report["leaks"].items()
    ]
    blocks = [
        paragraph(
            "Each column contains the one before: identical texts; equal after normalising "
            "width, case, blanks and invisible characters; similar (edit similarity at least "
            f"{policies['near_similarity']:g} and {policies['near_min_chars']} characters)."
        ),
        table(["Split", "Identical", "Normalised", "Near"], rows),
    ]
    if policies["leaks"] == "keep":
        blocks.append(paragraph("Policy “keep”: training sees these rows all the same.", "warning"))
    for name in report["leaks"]:
        pairs = report["samples"][name]
        if pairs:
            blocks.append(
                table(
                    ["Closeness", "Row", "Label", "Text", "Twin", "Label", "Text of the twin"],
                    [
                        (p["closeness"], *(p[side][key] for side in ("row", "twin")
                                           for key in ("id", "label", "text")))
                        for p in pairs
                    ],
                    caption=f"Examples: {name.replace('_', ' ')}",
                    folded=True,
                )
            )  # fmt: skip
    return blocks


def _repeats(report: dict[str, Any]) -> list[Block]:
    blocks = [
        table(
            ["Rows with an earlier twin in", "Identical", "Normalised", "Near"],
            [(name, *counts.values()) for name, counts in report["repeats"].items()],
        ),
        paragraph("Near repeats within a split are counted, not dropped."),
    ]
    for key, caption in (
        ("most_repeated", "The most repeated texts"),
        ("conflicts", "Texts with several labels"),
    ):
        rows = [
            (
                group["rows"],
                ", ".join(f"{label} × {n}" for label, n in group["labels"].items()),
                group["text"],
            )
            for group in report["samples"][key]
        ]
        if rows:
            blocks.append(table(["Rows", "Labels", "Text"], rows, caption=caption, folded=True))
    return blocks


def _labels(splits: dict[str, Any]) -> list[Block]:
    names = list(splits["train"]["labels"])
    blocks = []
    if len(names) <= _CHARTED_LABELS:
        train = splits["train"]
        groups = {
            "as given": list(train["labels"].values()),
            "kept": list(train["kept_labels"].values()),
        }
        blocks.append(figure(charts.grouped_bars(groups, names, title="Training rows by label")))
    rows = [(name, *(_share(side, name) for side in splits.values())) for name in names]
    blocks.append(
        table(
            ["Label", *splits], rows, caption="Rows and shares by split, as given",
            folded=len(names) > _CHARTED_LABELS,
        )
    )  # fmt: skip
    return blocks


def _share(side: dict[str, Any], label: str) -> str:
    count = side["labels"][label]
    return f"{count:,} · {percent(count / side['rows'])}"


def _lengths(splits: dict[str, Any]) -> Block:
    return table(
        ["Characters", "Median", "90 %", "99 %", "Longest", "Rows over 510"],
        [(name, *side["characters"].values(), side["long_rows"]) for name, side in splits.items()],
    )


def _files(names: list[str]) -> str:
    """The first files and the last: after a year of nights there are hundreds."""
    if len(names) <= _NAMED_FILES:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED_FILES - 1])} … {names[-1]} ({len(names)} files)"
