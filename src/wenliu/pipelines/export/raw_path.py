"""The runtime path over raw rows, against what evaluation said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wenliu.codes import Bools
from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.metrics import softmax
from wenliu.parts import Parts
from wenliu.pipelines.export.rows import may_choose
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

    All test rows are scored. Whether the bundle gives evaluation's labels is decided on them too,
    but in a frozen problem on validation and fresh rows: what judges models decides nothing here.

    Args:
        bundle: What will be served, in fp32.
        served: The same bundle, as the engines and precisions that were chosen compute it.
        examples: Raw rows.
        audited_examples: Rows with the text that training and evaluation read, and what they judge.
        predictions: Logits of the evaluation, by id.
        tolerance: Two top logits closer than this are a tie, which either side may break.

    Returns:
        ``split``, ``rows``, ``same_labels`` (a share), ``accuracy``, ``accuracy_difference``,
        ``max_abs_probability_difference``; the last four for each of ``served``, by its engine
        and precision, in ``served``; ``decided_on``: ``rows`` and ``same_labels`` of those that
        decide, ties left out.

    Raises:
        UserError: When a cleaned text differs from training's, or labels do.
    """
    predictions = Parts.of(predictions).table()
    splits = np.array(predictions["split"].to_pylist(), dtype=np.str_)
    split = "test" if "test" in splits else "validation"
    scored = splits == split
    decides = _deciding(predictions["id"], audited_examples, scored)
    read = scored | decides
    scored, decides = scored[read], decides[read]
    rows = predictions.filter(read)
    ids = rows["id"].to_pylist()
    raw = _by_id(examples, "text", ids)
    cleaned = _by_id(audited_examples, "clean_text", ids)
    logits, *others = _runtime_logits([bundle, *served], ids, raw, cleaned)
    evaluated = np.asarray(rows["logits"].to_pylist(), dtype=np.float64)
    gold = rows["label_id"].to_numpy()

    same = logits.argmax(axis=1) == evaluated.argmax(axis=1)
    top_two = np.sort(evaluated, axis=1)[:, -2:]
    tie = top_two[:, -1] - top_two[:, 0] <= tolerance
    n = int(decides.sum())
    share = float((same | tie)[decides].mean()) if n else 1.0
    if share < SAME_LABELS:
        raise UserError(
            f"The bundle gives {1 - share:.2%} of {n:,} rows another label than evaluation.",
            where="verify_bundle: raw text through the runtime path",
            remedy="Run tokenization to export again; the bundle is not to be used.",
        )
    by_others: dict[str, dict[str, float]] = {}
    for other, its in zip(served, others, strict=True):
        name = f"{other.choice.precision} by {other.choice.engine}"
        by_others[name] = _against(its[scored], evaluated[scored], gold[scored], bundle.temperature)
        same = (its.argmax(axis=1) == evaluated.argmax(axis=1))[decides]
        if n and same.mean() < SERVED_LABELS:
            raise UserError(
                f"{name} gives {1 - same.mean():.2%} of {n:,} rows another label than "
                "evaluation, more than it did when it was offered.",
                where="verify_bundle: raw text through the runtime path",
                remedy="Leave it out with export.precisions, and run export again.",
            )
    fp32 = _against(logits[scored], evaluated[scored], gold[scored], bundle.temperature)
    return {
        "split": split,
        "rows": int(scored.sum()),
        **fp32,
        "served": by_others,
        "decided_on": {"rows": n, "same_labels": share},
    }


def _deciding(ids: Any, audited_examples: Table | Parts, scored: Bools) -> Bools:
    """Which of the evaluated rows decide: those that are scored, unless some judge models."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = may_choose(audited_examples)
    if chosen.all():
        return scored
    choosing = Parts.of(audited_examples).column("id").filter(pa.array(chosen))
    decides: Bools = pc.is_in(ids, value_set=choosing.combine_chunks()).to_numpy()
    return decides


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
