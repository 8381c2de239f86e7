"""``wenliu labels``: which labels there are, and one more, added deliberately.

A new label goes to the end of the frozen order, and the champion's model gets a row for it in its
head: the next run starts from what the champion has learnt about the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wenliu import clock
from wenliu.datasets import VersionedDataset
from wenliu.disk import write_atomically, write_folder
from wenliu.display import columns_of_text
from wenliu.environments import BASE, NOT_PROBLEMS, environment, problem_of
from wenliu.errors import UserError
from wenliu.frozen import frozen_file, read_frozen, write_frozen
from wenliu.inbox import stamp_of

MODELS = "data/06_models"
#: Folder of checkpoints with grown heads, beside the versions of a problem's model.
GROWN = "grown"
_CHECKPOINT = re.compile(r"^(?P<head>\s*checkpoint:\s*)(?P<value>[^\s#]+)(?P<rest>.*)$")


def describe_labels(project: Path, problem: str) -> str:
    """The labels in order, with the rows that the newest run found."""
    frozen = read_frozen(project, problem)
    report = _newest(project, problem, "08_reporting", "ingestion_report")
    counts: dict[str, int] = report["labels"] if report else {}
    if frozen is None and not counts:
        return f"No labels are known of {problem}: nothing has run yet."
    labels = frozen.labels if frozen else tuple(counts)
    rows = [
        [str(number), label, f"{counts[label]:,} rows" if label in counts else "no rows yet"]
        for number, label in enumerate(labels)
    ]
    state = f"frozen since {frozen.frozen_at[:10]}" if frozen else "not frozen"
    return "\n".join([f"{problem}: {len(labels)} labels, {state}", *columns_of_text(rows)])


def add_label(project: Path, env: str | None, name: str, reason: str) -> str:
    """Appends a label to the frozen ones; to be called under the problem's lock.

    Args:
        project: Its root.
        env: Environment of the problem.
        name: The label, as it stands in files.
        reason: Why, for the configuration file.

    Returns:
        What was done, for people.

    Raises:
        UserError: The problem is not frozen, or has the label.
    """
    from wenliu.pipelines.ingestion.labels import fold_label

    problem = problem_of(project, env)
    frozen, path = read_frozen(project, problem), frozen_file(project, problem)
    name = fold_label(name)
    if frozen is None or path is None:
        raise UserError(
            f"The labels of {problem} are not fixed: a run takes those that it finds.",
            where=f"problem {problem}",
            remedy="fix them first: wenliu freeze; or just bring rows of the new label",
        )
    if not name or name in frozen.labels:
        raise UserError(
            f"There is a label {name!r} already." if name else "A label cannot be blank.",
            where=f"{path}: {', '.join(frozen.labels)}",
            remedy="give another name",
        )
    labels = (*frozen.labels, name)
    told = _grow(project, env, problem, labels, reason)
    # Last: killed before, the same command does all of it again.
    write_frozen(path, replace(frozen, labels=labels, added=(*frozen.added, name)))
    return "\n".join([f"{name!r} is label {len(labels) - 1} of {problem}.", *told])


def _grow(
    project: Path, env: str | None, problem: str, labels: Sequence[str], reason: str
) -> list[str]:
    """Makes a checkpoint of the champion's model and points the configuration at it."""
    from wenliu.modeling.heads import continues, grow_checkpoint, labels_of

    source, reigns = model_to_grow(project, problem)
    if source is None:
        return ["No model was trained yet: only the list of labels has grown."]
    import json

    known = labels_of(json.loads((source / "config.json").read_text("utf-8")))
    if not continues(labels, known):
        return [
            f"The model in {source.relative_to(project)} has other labels ({', '.join(known)}): "
            "only the list of labels has grown, and the next run trains a new head."
        ]
    folder = project / MODELS / problem / GROWN / stamp_of(clock.now())
    write_folder(folder, lambda target: grow_checkpoint(source, labels, target))
    shown = folder.relative_to(project).as_posix()
    conf, before = point_at(project, env, shown, reason)
    whose = "the champion's" if reigns else "the newest (there is no champion yet)"
    return [
        f"The next run starts from {shown}: {whose} model, {source.parent.name}, with a head of "
        f"{len(labels)} classes, the old ones as they were. Its vocabulary stays what it is.",
        f"  {conf.relative_to(project)}: model.checkpoint: {before} -> {shown}",
        f"  to undo: write {before} there again",
    ]


def model_to_grow(project: Path, problem: str) -> tuple[Path | None, bool]:
    """Folder of the ``model`` that the champion was exported from, and whether there is a champion.

    Without a champion it is the newest model; None: no model was trained here yet.

    Raises:
        UserError: The champion's model is not on this machine. Another one may be one that was
            refused.
    """
    from wenliu.registry import Registry
    from wenliu.serving.manifest import read_manifest
    from wenliu.stored_versions import stored_versions

    dataset = VersionedDataset(str(project / MODELS / problem / "model"), "folder")
    versions = dataset.list_versions(full_path=False)
    champion = Registry(project, problem).champion()
    if champion is not None:
        bundles = [
            stored
            for stored in stored_versions(project, problem)
            if stored.artefact == "bundle"
            and read_manifest(stored.folder / "bundle")["content_sha256"] == champion.sha256
        ]
        exported = {each for bundle in bundles for each in bundle.inputs}
        versions = [version for version in versions if ("model", version) in exported]
        if not versions:
            raise UserError(
                f"The model that the champion, version {champion.number}, was exported from is not "
                "on this machine: its head cannot get a row for the new label.",
                where=str(project / MODELS / problem / "model"),
                remedy="add the label on the machine that trained it, or copy data/06_models and "
                "data/07_model_output from there; or make a model of this machine the champion: "
                "wenliu promote VERSION",
            )
    if not versions:
        return None, False
    dataset.pin(versions[0])
    return dataset.load_path, champion is not None


def point_at(project: Path, env: str | None, checkpoint: str, reason: str) -> tuple[Path, str]:
    """Makes ``model.checkpoint`` of a problem name another checkpoint.

    Comments of the file stay; what stood there before stands beside it.

    Args:
        project: Its root.
        env: Environment of the problem.
        checkpoint: Folder, relative to the project.
        reason: Why.

    Returns:
        The file that was written, and what was named before.

    Raises:
        UserError: The file is written in a way that cannot be changed line by line.
    """
    import yaml

    name = environment(env)
    base = project / "conf" / BASE
    folder = base if name in NOT_PROBLEMS else project / "conf" / name
    found = _file_of_checkpoint(folder)
    before = _checkpoint_in(found) if found else None
    path = found or folder / "parameters" / "model.yml"
    if before is None:
        default = _file_of_checkpoint(base)
        before = (_checkpoint_in(default) if default else None) or "scratch"
    why = f"  # grown head{f', {reason}' if reason else ''}; before: {before}"
    text = path.read_text("utf-8") if path.is_file() else ""
    lines = text.splitlines() or ["model:"]
    if found:
        lines = [_pointed(line, checkpoint, why) for line in lines]
    elif "model:" in lines:
        lines.insert(lines.index("model:") + 1, f"  checkpoint: {checkpoint}{why}")
    else:
        lines += ["model:", f"  checkpoint: {checkpoint}{why}"]
    changed = "\n".join(lines) + "\n"
    values: dict[str, Any] = yaml.safe_load(changed)
    if values["model"].get("checkpoint") != checkpoint:
        raise UserError(
            "The line of model.checkpoint is written in a way that is not changed here.",
            where=str(path),
            remedy=f"write it by hand and call this again: model.checkpoint: {checkpoint}",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, changed)
    return path, before


def _pointed(line: str, checkpoint: str, why: str) -> str:
    match = _CHECKPOINT.match(line)
    return f"{match['head']}{checkpoint}{why}" if match else line


def _file_of_checkpoint(folder: Path) -> Path | None:
    for path in sorted({*folder.glob("parameters*.yml"), *folder.glob("parameters*/**/*.yml")}):
        if _checkpoint_in(path) is not None:
            return path
    return None


def _checkpoint_in(path: Path) -> str | None:
    import yaml

    values = yaml.safe_load(path.read_text("utf-8")) or {}
    found = (values.get("model") or {}).get("checkpoint")
    return None if found is None else str(found)


def _newest(project: Path, problem: str, layer: str, name: str) -> Any:
    """Content of the newest complete version of a JSON artefact; None where there is none."""
    dataset = VersionedDataset(str(project / "data" / layer / problem / name), "json")
    versions = dataset.list_versions(full_path=False)
    if not versions:
        return None
    dataset.pin(versions[0])
    return dataset.load()
