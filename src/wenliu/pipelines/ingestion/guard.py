"""Guards the labels: what came is held against what was agreed on.

A label nobody knows, one that has no row any more, or labels in another order make another task of
it: the run stops. Shares of labels and lengths of texts may drift (``shifts.py``); from where that
is said and from where it stops the run stands in ``ingestion.guard``.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from wenliu.errors import UserError
from wenliu.inbox import parse_stored
from wenliu.pipelines.ingestion.tallies import FileTally

Verdict = Literal["ok", "warn", "fail"]
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at.
        verdict: What came of it.
        words: One sentence.
        found: The number that was compared, or the labels concerned.
        warn: From where it is said.
        fail: From where it stops the run.
        where: File and label, for the error.
        remedy: What to do, for the error.
    """

    check: str
    verdict: Verdict
    words: str
    found: Any = None
    warn: float | None = None
    fail: float | None = None
    where: str = ""
    remedy: str = ""


def guard_labels(
    tallies: Sequence[FileTally],
    frozen: Sequence[str] | None,
    names: Sequence[str] | None,
    awaited: Collection[str] = (),
    *,
    trial: bool,
) -> list[Finding]:
    """Whether the labels are those that were agreed on.

    Args:
        tallies: What was counted in each file.
        frozen: The frozen labels, in order; None: the problem is not frozen, and the files that
            did not come by the inbox (else the first intake) say which labels there are.
        names: Those of the file of names, in order.
        awaited: Frozen labels that were added later and have had no row on any night.
        trial: Whether only some rows of each file were read.
    """
    known = frozen if frozen is not None else _labels_of(_first(tallies))
    findings = [_unknown(tallies, known, frozen=frozen is not None)]
    if frozen is not None:
        findings += [_lost(tallies, frozen, awaited, trial=trial), _order(names, frozen)]
    return findings


def refuse(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The findings for the report.

    Raises:
        UserError: One of them stops the run.
    """
    findings = list(findings)
    failed = [finding for finding in findings if finding.verdict == "fail"]
    if failed:
        raise UserError(
            " ".join(finding.words for finding in failed),
            where="; ".join(finding.where for finding in failed if finding.where) or None,
            remedy="; ".join(dict.fromkeys(f.remedy for f in failed if f.remedy)) or None,
        )
    return [
        {key: value for key, value in asdict(each).items() if key not in ("where", "remedy")}
        for each in findings
    ]


def _unknown(tallies: Sequence[FileTally], known: Sequence[str], *, frozen: bool) -> Finding:
    strange = [
        (tally.source, label, count)
        for tally in tallies
        for label, count in tally.labels.items()
        if label not in known
    ]
    labels = list(dict.fromkeys(label for _, label, _ in strange))
    if not strange:
        return Finding("unknown_labels", "ok", "All labels are known.", [])
    files = list(dict.fromkeys(source for source, _, _ in strange if parse_stored(source)))
    ways = ["" if frozen else "first wenliu freeze, then "]
    ways[0] += " and ".join(f"wenliu labels add {_typed(label)}" for label in labels[:_SHOWN])
    ways += [f"wenliu inbox reject '{source}'" for source in files[:1]]
    return Finding(
        "unknown_labels",
        "fail",
        f"Unknown label{'s' * (len(labels) > 1)}: {_listed(labels)}.",
        labels,
        where="; ".join(
            f"{source}: {count} rows of {label!r}" for source, label, count in strange[:_SHOWN]
        )
        + ("; ..." if len(strange) > _SHOWN else ""),
        remedy=f"a label that is meant: {ways[0]}; one that is not: "
        + (ways[1] if files else "correct the file"),
    )


def _lost(
    tallies: Sequence[FileTally], frozen: Sequence[str], awaited: Collection[str], *, trial: bool
) -> Finding:
    there = _labels_of(tallies)
    missing = [label for label in frozen if label not in there]
    lost = [label for label in missing if label not in awaited]
    if lost:
        return Finding(
            "lost_labels",
            "warn" if trial else "fail",
            f"No row has the frozen label {_listed(lost)}.",
            missing,
            where="labels in frozen.yml",
            remedy="bring its rows back; what was rejected is read again by: wenliu inbox retry",
        )
    if missing:
        words = f"The added label {_listed(missing)} has no row yet: no model can learn it."
        return Finding("lost_labels", "warn", words, missing)
    return Finding("lost_labels", "ok", "Every frozen label has rows.", [])


def _order(names: Sequence[str] | None, frozen: Sequence[str]) -> Finding:
    named = [name for name in names or () if name in frozen]
    ours = [label for label in frozen if label in named]
    if named == ours:
        return Finding("label_order", "ok", "The order of the labels is the frozen one.")
    one, other = next(pair for pair in zip(named, ours, strict=True) if pair[0] != pair[1])
    return Finding(
        "label_order",
        "fail",
        f"The file of label names has another order than the frozen labels: {one!r} stands where "
        f"{other!r} stood.",
        named,
        where="ingestion.label_names",
        remedy="restore the file; a new name goes to its end",
    )


def _first(tallies: Sequence[FileTally]) -> list[FileTally]:
    own = [tally for tally in tallies if not parse_stored(tally.source)]
    if own:
        return own
    stamps = {tally.source: (parse_stored(tally.source) or [""])[0] for tally in tallies}
    return [tally for tally in tallies if stamps[tally.source] == min(stamps.values())]


def _labels_of(tallies: Sequence[FileTally]) -> list[str]:
    return list(sum((tally.labels for tally in tallies), Counter()))


def _typed(label: str) -> str:
    """As it can be typed into a shell."""
    return label if label.isalnum() else shlex.quote(label)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
