"""All measures of two samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from wenliu.metrics.drift import Shift
from wenliu.params import DriftParams
from wenliu.pipelines.drift import measures
from wenliu.pipelines.drift.answers import Answers, ask
from wenliu.pipelines.drift.sampling import Sample

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle


class Measured(NamedTuple):
    """A measure, the rows of the reference and new rows it rests on, and what its chart shows.

    ``shift`` and ``chart`` are None where a side has too few rows.
    """

    shift: Shift | None
    rows: tuple[int, int]
    chart: Any


def compare(
    samples: Mapping[str, Sample],
    asked: Bundle,
    labels: Sequence[str],
    params: DriftParams,
    seed: int,
) -> dict[str, Measured]:
    """All measures by name.

    Args:
        samples: As :func:`sample_rows` draws them.
        asked: Knows the older rows.
        labels: Of the problem, in their order.
        params: Rows, permutations.
        seed: Of the permutations.
    """
    old, new = (ask(asked, samples[name].text) for name in ("reference_held_out", "new_held_out"))
    return {
        **_of_texts(samples["reference"], samples["new"], labels, params, seed),
        **_of_answers(old, new, labels, params, seed),
    }


def _of_texts(
    reference: Sample, new: Sample, labels: Sequence[str], params: DriftParams, seed: int
) -> dict[str, Measured]:
    """What can be seen in the rows themselves."""
    return _measured(
        {
            "label_shares": lambda: measures.label_measure(
                reference.label, new.label, labels, params, seed
            ),
            "lost_labels": lambda: measures.lost_labels(reference.label, new.label),
            "length": lambda: measures.length_measure(reference, new, params, seed),
            "bigrams": lambda: measures.bigram_measure(reference, new, params, seed),
            "domain": lambda: measures.domain_measure(reference, new, params, seed),
        },
        (len(reference), len(new)),
        params,
    )


def _of_answers(
    reference: Answers, new: Answers, labels: Sequence[str], params: DriftParams, seed: int
) -> dict[str, Measured]:
    """What a model's predictions and vocabulary say."""
    return _measured(
        {
            "predicted_shares": lambda: measures.label_measure(
                reference.predicted, new.predicted, labels, params, seed
            ),
            "confidence": lambda: measures.confidence_measure(reference, new, params, seed),
            "unknown": lambda: measures.unknown_measure(reference, new, params, seed),
        },
        (len(reference), len(new)),
        params,
    )


def _measured(
    each: dict[str, Callable[[], tuple[Shift, Any]]], rows: tuple[int, int], params: DriftParams
) -> dict[str, Measured]:
    if min(rows) < params.min_rows:
        return {name: Measured(None, rows, None) for name in each}
    found = {}
    for name, measure in each.items():
        shift, chart = measure()
        found[name] = Measured(shift, rows, chart)
    return found
