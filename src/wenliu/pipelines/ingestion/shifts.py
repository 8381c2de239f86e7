"""Holds new rows against older ones: the shares of their labels, the lengths of their texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from wenliu.params import GuardParams
from wenliu.pipelines.ingestion.guard import Finding, Verdict
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.settled import pending_sources, worst

#: Files that a message names.
_SHOWN = 5


def guard_new_rows(
    tallies: Sequence[FileTally], settled: Mapping[str, Any], params: GuardParams
) -> list[Finding]:
    """Whether new rows look like the older ones; of several intakes the worst is told.

    Each intake since the last night that passed is judged alone and with those before it: what
    stopped a night stops the next one too, however many good rows have come in between.

    Args:
        tallies: What was counted in each file.
        settled: Which files are not new; see ``wenliu.settled``.
        params: Limits.
    """
    pending = pending_sources((tally.source for tally in tallies), settled)
    old = [tally for tally in tallies if not pending or tally.source not in pending[-1]]
    if not sum(tally.rows for tally in old):
        return []
    found = []
    for sources in pending:
        new = [tally for tally in tallies if tally.source in sources]
        if sum(tally.rows for tally in new) >= params.min_rows:
            found.append((_shares(new, old, params), _lengths(new, old, params)))
    return [worst(each, lambda finding: finding.verdict) for each in zip(*found, strict=True)]


def _shares(new: Sequence[FileTally], old: Sequence[FileTally], params: GuardParams) -> Finding:
    """Total variation distance of the label shares, less what chance makes of so many rows."""
    now, before = (sum((tally.labels for tally in each), Counter()) for each in (new, old))
    rows, total = now.total(), before.total()
    distance = chance = 0.0
    for label in now | before:
        share = before[label] / total
        distance += abs(now[label] / rows - share) / 2
        # Mean absolute deviation of a share among so many rows, halved.
        chance += math.sqrt(2 * share * (1 - share) / (math.pi * rows)) / 2
    value = max(0.0, distance - chance)
    most = max(now | before, key=lambda label: abs(now[label] / rows - before[label] / total))
    return Finding(
        "label_shares",
        _verdict(value, params.warn_label_shift, params.fail_label_shift),
        f"Label shares of the {rows:,} new rows differ from older ones by {value:.0%} beyond "
        f"chance; most: {most!r}, {before[most] / total:.0%} before, {now[most] / rows:.0%} now.",
        round(value, 4),
        params.warn_label_shift,
        params.fail_label_shift,
        **_ways(new),
    )


def _lengths(new: Sequence[FileTally], old: Sequence[FileTally], params: GuardParams) -> Finding:
    now, before = (
        _median(sum((tally.lengths for tally in each), Counter())) for each in (new, old)
    )
    value = max(now + 1, before + 1) / min(now + 1, before + 1)
    return Finding(
        "text_lengths",
        _verdict(value, params.warn_length_ratio, params.fail_length_ratio),
        f"The median text of the new rows has {now} characters; of older ones {before}.",
        round(value, 2),
        params.warn_length_ratio,
        params.fail_length_ratio,
        **_ways(new),
    )


def _ways(new: Sequence[FileTally]) -> dict[str, str]:
    name = new[0].source
    return {
        "where": ", ".join(tally.source for tally in new[:_SHOWN]),
        "remedy": f"look at the file; wenliu inbox reject '{name}' takes it out again, wenliu "
        f"inbox accept '{name}' --reason WHY keeps it as it is; until then every night stops here",
    }


def _verdict(value: float, warn: float, fail: float) -> Verdict:
    return "fail" if value >= fail else "warn" if value >= warn else "ok"


def _median(counts: Counter[int]) -> int:
    half, seen = counts.total() / 2, 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= half:
            return value
    return 0
