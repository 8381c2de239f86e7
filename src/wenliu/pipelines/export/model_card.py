"""The model card: what the model is, what it was made from, what it scores, where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wenliu.tasks import Task

_CARD = """\
# Chinese text classifier (中文文本分类模型)

Reads one Chinese text and answers with one of {n_labels} labels and a calibrated probability.
Made by Wenliu (文流) {version}; loaded by its `serving` layer
with onnxruntime or OpenVINO, without torch.

## The model

| | |
|---|---|
| checkpoint | {source} |
| task | {task} |
| parameters | {parameters} |
| reads | at most {max_length} tokens ({truncation}), {casing} |
| computes | {computes} |
| probabilities | temperature scaling, T = {temperature:.3f}, fitted on validation rows |

{scratch_note}## Labels

{labels}

## Data

{data}

## Scores

{scores}

With bounds of the bootstrap. "Leak-free" leaves out rows that have a twin in the training data as
it was given. The baseline is logistic regression over characters or words.

## Limits

- It knows these {n_labels} labels and nothing else: a text about something different gets one of
  them too, often with a low probability. Set a threshold where that matters.
- It was measured on rows like those it was trained on. Text from another source, time or region
  scores lower; measure before relying on it.
- Texts longer than {max_length} tokens are cut. A text of which cleaning leaves nothing is answered
  without evidence.
- Probabilities are calibrated on average, not for each label, and not on other data.
- Do not decide about people by its answer alone.
"""

_SCRATCH = """\
This model was trained **from random weights**, without a pretrained checkpoint. It shows that the
pipeline works and is a small, fast baseline; a pretrained checkpoint will score higher.

"""


def write_model_card(
    *,
    task: Task,
    labels: Sequence[str],
    profile: Mapping[str, Any],
    runtime: Mapping[str, Any],
    temperature: float,
    rows: Mapping[str, int],
    metrics: Mapping[str, Any],
    version: str,
) -> str:
    """The card as Markdown.

    Args:
        task: What kind of model it is.
        labels: Their names, in order.
        profile: The doctor's ``checkpoint_profile``.
        runtime: ``max_length``, ``truncation`` and ``engines``.
        temperature: Of the calibration.
        rows: Split to its number of rows.
        metrics: Of the evaluation, nested.
        version: Of this package.
    """
    scratch = profile["source"] == "scratch"
    parameters = profile.get("parameters")
    revision = f", revision {profile['revision']}" if profile.get("revision") else ""
    return _CARD.format(
        n_labels=len(labels),
        version=version,
        source=f"{profile['source']}{revision}",
        task=task.name,
        parameters=f"{parameters:,}" if parameters else "see the run's report",
        max_length=runtime["max_length"],
        truncation={"head": "the beginning is kept", "tail": "the end is kept"}.get(
            runtime["truncation"], "beginning and end are kept"
        ),
        casing="lower-cased" if profile.get("lowercase", True) else "case-sensitive",
        computes=", ".join(
            f"{says['chosen']} by {engine}" for engine, says in runtime["engines"].items()
        ),
        temperature=temperature,
        scratch_note=_SCRATCH if scratch else "",
        labels="\n".join(f"- {label}" for label in labels),
        data="\n".join(f"- {split}: {count:,} rows" for split, count in rows.items()),
        scores=_table(metrics),
    )


def _table(metrics: Mapping[str, Any]) -> str:
    """One line for each set of rows that was scored."""
    lines = [
        f"| {name.replace('_leak_free', ', leak-free')} | {scores['rows']:,} "
        f"| {_interval(scores, 'accuracy')} | {_interval(scores, 'macro_f1')} "
        f"| {_baseline(metrics, name)} |"
        for name, scores in metrics.items()
        if isinstance(scores, Mapping) and {"rows", "accuracy", "macro_f1"} <= scores.keys()
    ]
    head = ["| rows of | rows | accuracy | macro-F1 | macro-F1 of the baseline |"]
    return "\n".join([*head, "|---|---|---|---|---|", *lines])


def _interval(scores: Mapping[str, Any], name: str) -> str:
    low, high = scores.get(f"{name}_low"), scores.get(f"{name}_high")
    bounds = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{scores[name]:.3f}{bounds}"


def _baseline(metrics: Mapping[str, Any], name: str) -> str:
    scores = metrics.get("baseline", {}).get(name)
    return _interval(scores, "macro_f1") if scores else "–"
