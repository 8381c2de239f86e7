"""``wenliu freeze``: the rows that stand on the side of test today judge models from now on."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from wenliu.clock import now
from wenliu.datasets import VersionedDataset
from wenliu.environments import BASE, NOT_PROBLEMS, environment, problem_of
from wenliu.errors import UserError
from wenliu.frozen import (
    FILE,
    Frozen,
    form_hashes,
    frozen_file,
    is_audit,
    read_frozen,
    write_frozen,
)
from wenliu.metrics.gate import margin, pass_rate
from wenliu.metrics.intervals import Interval
from wenliu.params import PromotionParams
from wenliu.text.normal_form import normal_forms_v1

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts

#: Below this the gate refuses many models that are as good as the champion.
FEW_ROWS = 2000
#: Of the rows, two trainings of one model on nearly the same data answer differently.
_DISAGREEMENT = 0.06
_CONFIDENCE = 0.95


def freeze(project: Path, env: str | None, *, again: bool = False, reason: str = "") -> str:
    """Freezes the newest audited rows of a problem.

    Args:
        project: Its root.
        env: Environment of the problem.
        again: Whether a frozen problem may be frozen anew.
        reason: Why, if so.

    Returns:
        What was done, for people.

    Raises:
        UserError: The problem is frozen already, nothing was audited yet, or no row is test.
    """
    problem = problem_of(project, env)
    before = read_frozen(project, problem)
    if before:
        _refuse(before, again=again, reason=reason)
    audited = _newest(project, problem, env)
    marker = audited.marker()
    data = audited.load()
    forms = _test_forms(data)
    if not forms:
        raise UserError(
            "No row is on the side of test: there is nothing to judge models by.",
            where=f"audited_examples {marker['version']}",
            remedy="give splitting.test a share, or name the test rows in ingestion.splits or "
            "ingestion.split_values; run again, then freeze",
        )
    rules = _rules(project, problem, marker["inputs"])
    audit = np.array([is_audit(form, rules["salt"]) for form in forms])
    hashes = form_hashes(forms)
    dealt, undealt = _dealt(data, before)
    frozen = Frozen(
        problem=problem,
        frozen_at=now().isoformat(timespec="seconds"),
        reason=reason,
        **rules,
        dealt=dealt,
        undealt=undealt,
        gate=np.sort(hashes[~audit]),
        audit=np.sort(hashes[audit]),
        added=before.added if before else (),
    )
    path = frozen_file(project, problem) or _place(project, env)
    write_frozen(path, frozen)
    return _told(frozen, path.relative_to(project), marker["version"])


def _refuse(before: Frozen, *, again: bool, reason: str) -> None:
    """Refuses to freeze a second time by accident."""
    if again and reason:
        return
    raise UserError(
        f"The problem {before.problem!r} has been frozen since {before.frozen_at[:10]}: "
        f"{len(before.gate)} gate and {len(before.audit)} audit texts.",
        where=FILE,
        remedy="leave it. Frozen anew, no later score can be compared with an earlier one, nor "
        "the champion with the best before it; if that is meant: "
        "wenliu freeze --again --reason WHY",
    )


def _newest(project: Path, problem: str, env: str | None) -> VersionedDataset:
    """The audited rows, read from their newest complete version.

    Raises:
        UserError: There is none.
    """
    dataset = _dataset(project, problem, "03_primary", "audited_examples", "table")
    versions = dataset.list_versions(full_path=False)
    if not versions:
        raise UserError(
            f"The rows of {problem!r} have not been split and audited yet.",
            where=dataset._describe()["path"],
            remedy=f"run the problem first: {_run_command(env)}",
        )
    dataset.pin(versions[0])
    return dataset


def _run_command(env: str | None) -> str:
    name = environment(env)
    return "kedro run" if name in NOT_PROBLEMS else f"kedro run --env {name}"


def _dataset(project: Path, problem: str, layer: str, name: str, kind: str) -> VersionedDataset:
    return VersionedDataset(str(project / "data" / layer / problem / name), kind)


def _rules(project: Path, problem: str, inputs: dict[str, str]) -> dict[str, Any]:
    """Labels and shares of the very versions that the audited rows were made from."""
    labels = _dataset(project, problem, "02_intermediate", "label_map", "json")
    labels.pin(inputs["label_map"])
    split = _dataset(project, problem, "03_primary", "split_examples", "table")
    split.pin(inputs["split_examples"])
    used = split.marker()["details"]["parameters"]
    return {
        "labels": tuple(labels.load()["labels"]),
        **{name: used[f"splitting.{name}"] for name in ("salt", "test", "validation")},
    }


def _test_forms(data: Parts) -> list[str]:
    """Normal forms of the test rows, each once, blank ones left out."""
    import pyarrow.compute as pc

    forms: dict[str, None] = {}
    for batch in data.batches(["text", "clean_text", "split"]):
        full = pc.greater(pc.binary_length(pc.utf8_trim_whitespace(batch["clean_text"])), 0)
        chosen = batch.filter(pc.and_(full, pc.equal(batch["split"], "test")))
        forms.update(dict.fromkeys(normal_forms_v1(chosen["text"].to_pylist())))
    forms.pop("", None)
    return list(forms)


def _dealt(data: Parts, before: Frozen | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which splits were made by hashing, and whose rows without a split were not dealt to test."""
    import pyarrow.compute as pc

    if before:  # since then files bring what they like, and nothing changes
        return before.dealt, before.undealt
    rows = data.table(["split", "split_given", "source"])
    made = rows.filter(pc.invert(rows["split_given"]))
    dealt = set(made["split"].unique().to_pylist()) & {"validation", "test"}
    left: pa.Table = made.filter(pc.equal(made["split"], "train"))
    sources = [] if "test" in dealt else left["source"].unique().to_pylist()
    return tuple(sorted(dealt)), tuple(sources)


def _place(project: Path, env: str | None) -> Path:
    """Beside the ``globals.yml`` that names the problem."""
    name = environment(env)
    return project / "conf" / (BASE if name in NOT_PROBLEMS else name) / FILE


def _told(frozen: Frozen, path: Path, version: str) -> str:
    rows = len(frozen.gate)
    z = NormalDist().inv_cdf(_CONFIDENCE)
    half = z * math.sqrt(_DISAGREEMENT / max(1, rows))
    passes = pass_rate(Interval(0.0, -half, half), rows, rows, _CONFIDENCE)
    lines = [
        f"Frozen: {path}, from audited_examples {version}.",
        f"  gate   {rows:,} texts, which decide",
        f"  audit  {len(frozen.audit):,} texts, which decide nothing",
        f"  labels {', '.join(frozen.labels)}",
        f"  The gate allows {100 * margin(rows):.2f} points less than the champion. If two models "
        f"differ on {_DISAGREEMENT:.0%} of rows,",
        f"  one that is just as good passes {passes:.0%} of nights.",
    ]
    if rows < FEW_ROWS:
        lines.append(
            f"Warning: {rows:,} rows are few to decide by; from {FEW_ROWS:,} on the gate seldom "
            "errs. More labelled rows before freezing would help."
        )
    if rows < (least := PromotionParams().min_gate_rows):
        lines.append(
            f"Warning: below {least} gate rows no night promotes a model. Freeze again with more "
            "rows, lower promotion.min_gate_rows, or promote by hand."
        )
    lines.append("Commit the file: it belongs to the problem, like its settings.")
    return "\n".join(lines)
