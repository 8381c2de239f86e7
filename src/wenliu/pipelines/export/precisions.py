"""Every engine and precision measured against fp32; what loses labels is not offered.

The scores are those of validation rows. Labels are held against fp32's on validation and on those
test rows that export may choose by: of a frozen problem the fresh ones.

What is offered can be asked for; chosen by itself is only what gives a text the same probabilities
whoever its neighbours are. onnxruntime's int8 does not: its scales are those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wenliu.frames import Table
from wenliu.params import ExportParams
from wenliu.pipelines.export.rows import Rows, spread_rows
from wenliu.tasks import Task

if TYPE_CHECKING:
    from wenliu.serving.precisions import Choice
    from wenliu.serving.runtime import Runtime

#: A precision may lose half a point of accuracy or macro-F1, and one label in a hundred.
MAX_LOSS, SAME_LABELS = 0.005, 0.99
#: How far a probability may move with the neighbours of its row, seen on so many rows.
STEADY, _ALONE_ROWS = 1e-6, 32
_CALIBRATION_TOKENS = 1_024  # of a batch: NNCF takes a minimum and a maximum of each


@dataclass
class Offer:
    """What goes into the bundle.

    Attributes:
        files: Name to file, of what is offered besides ``model.onnx``.
        engines: For the manifest's ``runtime``: engine to ``chosen``, ``offered``, ``exact_int8``.
        measured: A record for each engine and precision: its figures, whether it is offered, why.
    """

    files: dict[str, Path] = field(default_factory=dict)
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    measured: list[dict[str, Any]] = field(default_factory=list)


def offer_precisions(
    onnx_file: Path,
    token_ids: Table,
    task: Task,
    n_labels: int,
    temperature: float,
    params: ExportParams,
    said: Callable[[str], None] = lambda what: None,
) -> Offer:
    """Makes and measures what ``params`` names and this machine can compute.

    The choice for an engine is the smallest steady precision that is offered, else fp32: on every
    model measured the smallest was the fastest.

    Args:
        onnx_file: The fp32 model; the others are written beside it.
        token_ids: Rows of all splits, without those that judge models.
        task: Which scores count.
        n_labels: Outputs of the model.
        temperature: Of the calibration, which all precisions share.
        params: Engines, precisions, rows.
        said: Is told what is being done.
    """
    from wenliu.serving.cpu import has_exact_int8
    from wenliu.serving.precisions import FILES, Choice

    judge = _Judge.of(token_ids, task, n_labels, temperature, params.gate_rows)
    offer = Offer()
    # fp32 of onnxruntime comes first: it is what the others are held against.
    for choice in (Choice(*key) for key in FILES):
        record: dict[str, Any] = {"engine": choice.engine, "precision": choice.precision}
        why_not = _not_tried(choice, params)
        if why_not is None:
            said(f"measuring {choice.precision} by {choice.engine}")
            try:
                files = _make(choice, onnx_file, token_ids, params.calibration_rows)
                runtime = _runtime(choice, files)
                logits = [runtime.logits(r.flat, r.offsets) for r in judge.splits.values()]
            except Exception as error:  # of the other libraries: the model is good without
                if choice == ("onnxruntime", "fp32"):
                    raise
                why_not = f"failed: {type(error).__name__}: {error}"[:300]
            else:
                figures, why_not = judge(logits)
                record |= figures
                if _finite(logits):
                    moved = judge.moved_by_neighbours(logits, runtime)
                    record["moved_by_neighbours"] = moved
        record |= {"offered": why_not is None, "why": why_not or judge.passed}
        offer.measured.append(record)
        if why_not is None:
            offer.files |= {n: f for n, f in files.items() if f != onnx_file}
            engine = offer.engines.setdefault(choice.engine, {"offered": []})
            engine["offered"].append(choice.precision)
            engine["exact_int8"] = has_exact_int8()
            # FILES goes from large to small.
            if moved <= STEADY or choice.precision == "fp32":
                engine["chosen"] = choice.precision
            else:
                record["why"] += (
                    f"; only where asked for, since a probability moves by {moved:.1g} with the "
                    "rows beside it"
                )
    _drop_engines_without_choice(offer)
    return offer


def _drop_engines_without_choice(offer: Offer) -> None:
    """An engine whose fp32 is not offered and whose other precisions are not steady."""
    from wenliu.serving.precisions import FILES

    for record in offer.measured:
        engine = record["engine"]
        if record["offered"] and "chosen" not in offer.engines[engine]:
            why = f"nothing of {engine} could be chosen by itself: its fp32 is not offered"
            record |= {"offered": False, "why": why}
            for name in FILES[engine, record["precision"]]:
                offer.files.pop(name, None)
    offer.engines = {name: says for name, says in offer.engines.items() if "chosen" in says}


@dataclass
class _Judge:
    """Holds logits of held-out rows against those of fp32, which it is shown first."""

    splits: dict[str, Rows]
    task: Task
    n_labels: int
    temperature: float
    reference: list[np.ndarray[Any, Any]] | None = None

    @classmethod
    def of(
        cls, token_ids: Table, task: Task, n_labels: int, temperature: float, wanted: int
    ) -> _Judge:
        splits = {name: spread_rows(token_ids, [name], wanted) for name in ("validation", "test")}
        held_out = {name: rows for name, rows in splits.items() if rows.gold.size}
        rows = held_out or {"train": spread_rows(token_ids, ["train"], wanted)}
        return cls(rows, task, n_labels, temperature)

    @property
    def passed(self) -> str:
        """What is true of everything offered."""
        scored = next(iter(self.splits))
        return (
            f"within {100 * MAX_LOSS:g} point of fp32 on {scored}, and at least "
            f"{SAME_LABELS:.0%} of its labels on {' and on '.join(self.splits)}"
        )

    def __call__(self, logits: list[np.ndarray[Any, Any]]) -> tuple[dict[str, Any], str | None]:
        """The figures, and what speaks against offering it."""
        if self.reference is None:
            self.reference = logits
        scored, rows = next(iter(self.splits.items()))
        figures: dict[str, Any] = {
            "rows": {name: int(rows.gold.size) for name, rows in self.splits.items()},
            "scored_on": scored,
        }
        if not _finite([*logits, *self.reference]):
            return figures, "a logit of it, or of onnxruntime's fp32, is not a number"
        ours, reference = (self._scores(rows, of[0]) for of in (logits, self.reference))
        same = {
            name: float((own.argmax(1) == its.argmax(1)).mean())
            for name, own, its in zip(self.splits, logits, self.reference, strict=True)
        }
        figures |= ours
        figures["same_labels"] = {name: round(share, 6) for name, share in same.items()}
        for name in ("accuracy", "macro_f1"):
            if ours[name] < reference[name] - MAX_LOSS:
                lost = 100 * (reference[name] - ours[name])
                return figures, f"loses {lost:.2f} points of {name} on {scored}"
        for name, share in same.items():
            if share < SAME_LABELS:
                return figures, f"only {share:.2%} of fp32's labels on {name}"
        return figures, None

    def moved_by_neighbours(self, logits: list[np.ndarray[Any, Any]], runtime: Runtime) -> float:
        """The largest difference between a row's probabilities computed alone and in company."""
        from wenliu.metrics import softmax

        rows, together = next(iter(self.splits.values())), logits[0]
        some = np.linspace(0, len(together) - 1, min(_ALONE_ROWS, len(together))).astype(int)
        alone = [
            runtime.logits(rows.flat[start:end], np.array([0, end - start]))
            for start, end in zip(rows.offsets[some], rows.offsets[some + 1], strict=True)
        ]
        ours, theirs = (
            softmax(part, self.temperature) for part in (np.concatenate(alone), together[some])
        )
        return float(np.abs(ours - theirs).max())

    def _scores(self, rows: Rows, logits: np.ndarray[Any, Any]) -> dict[str, float]:
        from wenliu.metrics import calibration_error, softmax

        scores = self.task.metrics(rows.gold, logits, self.n_labels)
        error = calibration_error(softmax(logits, self.temperature), rows.gold)
        found = {**{name: scores[name] for name in ("accuracy", "macro_f1")}, "ece": error}
        return {name: round(float(value), 6) for name, value in found.items()}


def _finite(logits: list[np.ndarray[Any, Any]]) -> bool:
    return all(np.isfinite(part).all() for part in logits)


def _not_tried(choice: Choice, params: ExportParams) -> str | None:
    """Why this machine or the parameters leave it out; ``None`` where they do not."""
    from importlib.util import find_spec

    from wenliu.serving.cpu import has_bf16
    from wenliu.serving.engines import has_openvino

    if (choice.engine, choice.precision) == ("onnxruntime", "fp32"):
        return None
    if choice.engine not in params.engines:
        return "left out by export.engines"
    if choice.precision != "fp32" and choice.precision not in params.precisions:
        return "left out by export.precisions"
    if choice.engine == "openvino" and not has_openvino():
        return "OpenVINO is not installed"
    if choice.precision == "bf16" and not has_bf16():
        return "the processor has no instructions for it"
    if choice == ("openvino", "int8") and find_spec("nncf") is None:
        return "NNCF, which quantises for OpenVINO, is not installed"
    return None


def _make(
    choice: Choice, onnx_file: Path, token_ids: Table, calibration_rows: int
) -> dict[str, Path]:
    """The files of a choice, by their names in the bundle."""
    from wenliu.modeling.quantization import quantize_for_onnxruntime, quantize_for_openvino
    from wenliu.serving.cpu import has_exact_int8
    from wenliu.serving.runtime import cut_batches, pad_batch

    if choice.precision != "int8":
        return dict.fromkeys(choice.files, onnx_file)
    files = {name: onnx_file.with_name(name) for name in choice.files}
    target = next(iter(files.values()))
    if choice.engine == "onnxruntime":
        quantize_for_onnxruntime(onnx_file, target, reduce_range=not has_exact_int8())
    else:
        rows = spread_rows(token_ids, ["train"], calibration_rows)
        batches = cut_batches(np.diff(rows.offsets), _CALIBRATION_TOKENS)
        feeds = [pad_batch(rows.flat, rows.offsets, batch) for batch in batches]
        quantize_for_openvino(onnx_file, target, feeds)
    return files


def _runtime(choice: Choice, files: dict[str, Path]) -> Runtime:
    """The engine of a choice, ready to compute."""
    from wenliu.serving.cpu import available_cores
    from wenliu.serving.precisions import load_engine
    from wenliu.serving.runtime import Runtime

    threads = available_cores()
    contents = {name: path.read_bytes() for name, path in files.items()}
    return Runtime(load_engine(choice, contents, threads), threads=threads)
