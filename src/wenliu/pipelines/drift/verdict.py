"""From distances to verdicts and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wenliu.metrics.drift import Shift
from wenliu.params import DriftParams, Limits
from wenliu.pipelines.drift.comparing import Measured
from wenliu.reporting.page import percent
from wenliu.settled import worst


class Kind(NamedTuple):
    """How one measure is read.

    Attributes:
        title: On the page.
        says: A sentence with ``{value}`` in it.
        zero: The value of samples that do not differ.
        digits: Behind the point; None: the value is a share.
    """

    title: str
    says: str
    zero: float = 0.0
    digits: int | None = None


#: In the order of the page.
KINDS = {
    "label_shares": Kind("Label shares", "{value} of the rows would have to change their label"),
    "predicted_shares": Kind(
        "Predicted label shares", "{value} of the rows would have to change their prediction"
    ),
    "lost_labels": Kind("Lost labels", "{value} labels have no new row", digits=0),
    "confidence": Kind("Confidence", "the mean confidence differs by {value}"),
    "length": Kind("Text length", "up to some length the shares of the rows differ by {value}"),
    "unknown": Kind("Unknown tokens", "the share of [UNK] among the tokens rises by {value}"),
    "bigrams": Kind("Character bigrams", "their distributions diverge by {value} bits", digits=3),
    "domain": Kind(
        "Domain classifier", "it ranks a new text above an older one in {value} of pairs", zero=0.5
    ),
}


def judge(
    name: str, shift: Shift | None, rows: tuple[int, int], params: DriftParams, new_rows: int
) -> dict[str, Any]:
    """One entry of ``measures``: large and sure, or nothing.

    The limits are held against ``value`` less what chance adds to it, so that small samples do not
    look far apart.

    Args:
        name: One of :data:`KINDS`.
        shift: ``None`` where a side has too few rows.
        rows: Of the reference and of the new rows.
        params: Limits and significance.
        new_rows: All of them. Few rows may well be about one thing: they never fail.
    """
    kind, limits = KINDS[name], getattr(params, name)
    found: dict[str, Any] = {"rows": list(rows), **limits.model_dump()}
    if shift is None:
        words = f"{kind.title}: too few rows to say ({rows[1]:,} new, {rows[0]:,} older)."
        return {**found, "value": None, "verdict": "none", "words": words}
    verdict = _verdict(shift.value - (shift.expected - kind.zero), shift.p, limits, params)
    if verdict == "fail" and new_rows < params.fail_rows:
        verdict = "warn"
    shown, chance = (_shown(value, kind) for value in (shift.value, shift.expected))
    words = f"{kind.title}: {kind.says.format(value=shown)} (by chance {chance}; p {shift.p:.3f})."
    return {**found, **shift._asdict(), "verdict": verdict, "words": words}


def judged(measured: Mapping[str, Measured], params: DriftParams, new_rows: int) -> dict[str, Any]:
    """What the report says of the measures.

    Args:
        measured: By name; empty where there is nothing to compare.
        params: Limits and significance.
        new_rows: All of them, in the samples or not.

    Returns:
        ``verdict`` (the worst of all; ``none`` where no measure says anything), ``measures`` and
        ``charts`` by name, ``warnings``.
    """
    measures = {
        name: judge(name, measured[name].shift, measured[name].rows, params, new_rows)
        for name in KINDS
        if name in measured
    }
    verdicts = {measure["verdict"] for measure in measures.values()}
    return {
        "verdict": next((v for v in ("fail", "warn", "ok") if v in verdicts), "none"),
        "measures": measures,
        "charts": {name: found.chart for name, found in measured.items()},
        "warnings": [m["words"] for m in measures.values() if m["verdict"] in ("warn", "fail")],
    }


def worst_of(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The worst of the reports; if it fails, with what somebody has to decide."""
    told = worst(reports, lambda report: str(report["verdict"]))
    if told["verdict"] != "fail":
        return told
    name = told["sources"][0]
    decide = (
        f"Every night says so until somebody decides about {', '.join(told['sources'])}: "
        f"wenliu inbox reject '{name}' takes a file out again, wenliu inbox accept '{name}' "
        "--reason WHY keeps it as it is."
    )
    return {**told, "warnings": [*told["warnings"], decide]}


def _verdict(effect: float, p: float, limits: Limits, params: DriftParams) -> str:
    if p > params.significance:
        return "ok"
    for verdict, limit in (("fail", limits.fail), ("warn", limits.warn)):
        if limit is not None and effect >= limit:
            return verdict
    return "ok"


def _shown(value: float, kind: Kind) -> str:
    return percent(value) if kind.digits is None else f"{value:.{kind.digits}f}"
