"""The runtime path over raw rows, against what evaluation said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.metrics import softmax
from wenliu.parts import Parts
from wenliu.progress import progress_bar

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle

#: Share of rows whose label must be the evaluation's, ties within the tolerance left out.
SAME_LABELS = 0.999
#: The same of a smaller precision. It was offered at 0.99 on a sample; with one point less,
#: something else than rounding is at work.
SERVED_LABELS = 0.98
_CHUNK_ROWS = 2_048


def compare_with_evaluation(
    bundle: Bundle,
    served: Sequence[Bundle],
    examples: Table | Parts,
    audited_examples: Table | Parts,
    predictions: Table | Parts,
    tolerance: float,
) -> dict[str, Any]:
    """Predicts the evaluated rows again from raw text.

    Args:
        bundle: What will be served, in fp32.
        served: The same bundle, as the engines and precisions that were chosen compute it.
        examples: Raw rows.
        audited_examples: Rows with the text that training and evaluation read.
        predictions: Logits of the evaluation, by id.
        tolerance: Two top logits closer than this are a tie, which either side may break.

    Returns:
        ``split``, ``rows``, ``same_labels`` (a share), ``accuracy``, ``accuracy_difference``,
        ``max_abs_probability_difference``; and the last four for each of ``served``, by its engine
        and precision, in ``served``.

    Raises:
        UserError: When a cleaned text differs from training's, or labels do.
    """
    import pyarrow.compute as pc

    predictions = Parts.of(predictions).table()
    split = "test" if pc.any(pc.equal(predictions["split"], "test")).as_py() else "validation"
    rows = predictions.filter(pc.equal(predictions["split"], split))
    ids = rows["id"].to_pylist()
    raw = _by_id(examples, "text", ids)
    cleaned = _by_id(audited_examples, "clean_text", ids)
    logits, *others = _runtime_logits([bundle, *served], ids, raw, cleaned)
    evaluated = np.asarray(rows["logits"].to_pylist(), dtype=np.float64)
    gold = rows["label_id"].to_numpy()

    same = logits.argmax(axis=1) == evaluated.argmax(axis=1)
    top_two = np.sort(evaluated, axis=1)[:, -2:]
    tie = top_two[:, -1] - top_two[:, 0] <= tolerance
    share = float((same | tie).mean())
    if share < SAME_LABELS:
        raise UserError(
            f"The bundle gives {1 - share:.2%} of the {split} rows another label than evaluation.",
            where="verify_bundle: raw text through the runtime path",
            remedy="Run tokenization to export again; the bundle is not to be used.",
        )
    by_others: dict[str, dict[str, float]] = {}
    for other, its in zip(served, others, strict=True):
        name = f"{other.choice.precision} by {other.choice.engine}"
        found = _against(its, evaluated, gold, bundle.temperature)
        by_others[name] = found
        if found["same_labels"] < SERVED_LABELS:
            raise UserError(
                f"{name} gives {1 - found['same_labels']:.2%} of the {split} rows another label "
                "than evaluation, more than it did when it was offered.",
                where="verify_bundle: raw text through the runtime path",
                remedy="Leave it out with export.precisions, and run export again.",
            )
    fp32 = _against(logits, evaluated, gold, bundle.temperature)
    return {"split": split, "rows": len(ids), **fp32, "served": by_others}


def _against(
    logits: np.ndarray[Any, Any],
    evaluated: np.ndarray[Any, Any],
    gold: np.ndarray[Any, Any],
    temperature: float,
) -> dict[str, float]:
    labels = logits.argmax(axis=1)
    accuracy = float((labels == gold).mean())
    probabilities = softmax(logits, temperature) - softmax(evaluated, temperature)
    return {
        "same_labels": float((labels == evaluated.argmax(axis=1)).mean()),
        "accuracy": accuracy,
        "accuracy_difference": accuracy - float((evaluated.argmax(axis=1) == gold).mean()),
        "max_abs_probability_difference": float(np.abs(probabilities).max()),
    }


def _runtime_logits(
    bundles: Sequence[Bundle], ids: list[str], raw: list[str], cleaned: list[str]
) -> list[np.ndarray[Any, Any]]:
    """Logits of each bundle for raw texts, whose cleaning must give what training read."""
    parts: list[list[np.ndarray[Any, Any]]] = []
    with progress_bar(len(ids), "verifying the bundle") as bar:
        for start in range(0, len(ids), _CHUNK_ROWS):
            end = start + _CHUNK_ROWS
            texts = bundles[0].clean(raw[start:end])
            for row, (ours, theirs) in enumerate(zip(texts, cleaned[start:end], strict=True)):
                if ours != theirs:
                    raise UserError(
                        "The bundle cleans a text otherwise than training did.",
                        where=f"row {ids[start + row]}: {ours[:40]!r} against {theirs[:40]!r}",
                        remedy="Run cleaning to export again with one version of the code.",
                    )
            parts.append([bundle.clean_logits(texts) for bundle in bundles])
            bar.update(len(texts))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _by_id(data: Table | Parts, column: str, ids: list[str]) -> list[str]:
    """Values of a column for these ids, in their order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = Parts.of(data).table(["id", column])
    places = pc.index_in(pa.array(ids, pa.string()), value_set=table["id"].combine_chunks())
    if places.null_count:
        missing = ids[pc.index(pc.is_null(places), True).as_py()]
        raise UserError(
            f"The row {missing} was evaluated but is not among the examples.",
            remedy="Use versions of one run: examples, audited_examples, predictions.",
        )
    return table[column].take(places).to_pylist()
