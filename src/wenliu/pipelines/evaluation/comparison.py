"""Both baselines on the rows of this run, and the better of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.frames import Table
from wenliu.parts import Parts
from wenliu.pipelines.evaluation import tables
from wenliu.pipelines.evaluation.tables import Bools, Rows
from wenliu.progress import progress_bar
from wenliu.tasks import Task

_HEADLINES = ("rows", "accuracy", "macro_f1")


def compare_baselines(
    task: Task,
    audited_examples: Table | Parts,
    words: Table | Parts,
    n_labels: int,
    folds: int,
    seed: int,
) -> tuple[Table, dict]:
    """See :func:`wenliu.pipelines.evaluation.nodes.train_baselines`."""
    import pyarrow as pa

    from wenliu.modeling.baselines import KINDS, Baseline, out_of_fold

    rows = Rows.of(audited_examples)
    train = (rows.split == "train") & ~rows.dropped
    judged = rows.split != "train"
    documents: dict[str, NDArray[np.object_]] = {
        "character": _objects(rows.clean_text),
        "word": _objects(Parts.of(words).column("words").to_pylist()),
    }
    tried: dict[str, NDArray[np.float64]] = {}
    report: dict[str, Any] = {"rows": int(train.sum()), "scores": {}}
    with progress_bar(len(KINDS) + folds, "training the baselines", "fit") as bar:
        for kind in KINDS:
            baseline = Baseline(kind, n_labels).fit(documents[kind][train], rows.label_id[train])
            tried[kind] = np.zeros((len(rows), n_labels))
            tried[kind][judged] = baseline.probabilities(documents[kind][judged])
            report["scores"][kind] = {
                name: _score(task, rows, chosen, tried[kind])
                for name, chosen in _sets(rows).items()
            }
            bar.update()
        by = "validation" if "validation" in report["scores"][KINDS[0]] else "test"
        best = max(KINDS, key=lambda kind: report["scores"][kind][by]["macro_f1"])
        report.update({"kind": best, "chosen_on": by, "folds": folds})
        probabilities = tried[best]
        probabilities[train] = out_of_fold(
            best, documents[best][train], rows.label_id[train], n_labels, folds=folds, seed=seed,
            on_fold=bar.update,
        )  # fmt: skip
    kept = np.flatnonzero(train | judged)
    columns = Parts.of(audited_examples).table(["id", "split", "label_id"])
    columns = columns.take(kept).combine_chunks()
    column = tables.lists(probabilities[kept])
    return columns.append_column(pa.field("probabilities", column.type), column), report


def _sets(rows: Rows) -> dict[str, Bools]:
    test = rows.split == "test"
    sets = {
        "validation": (rows.split == "validation") & ~rows.dropped,
        "test": test,
        "test_leak_free": test & ~rows.leak,
    }
    return {name: chosen for name, chosen in sets.items() if chosen.any()}


def _score(
    task: Task, rows: Rows, chosen: Bools, probabilities: NDArray[np.float64]
) -> dict[str, Any]:
    scores = task.metrics(rows.label_id[chosen], probabilities[chosen], probabilities.shape[1])
    return {key: scores[key] for key in _HEADLINES}


def _objects(items: list) -> NDArray[np.object_]:
    """A one-dimensional array even of equally long lists."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
