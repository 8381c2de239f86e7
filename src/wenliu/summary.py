"""What a run says at its end: what happened, where it is, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from wenliu.datasets import VersionedDataset
from wenliu.project import command
from wenliu.schemas import DROPPED

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from wenliu.hooks.reuse import Decision

_WIDTH = 12


def summarise(
    run_params: dict[str, Any],
    pipeline: Pipeline,
    catalog: CatalogProtocol,
    seconds: float,
    decisions: Sequence[Decision] = (),
) -> str:
    """The summary of a finished run.

    Args:
        run_params: As Kedro's hooks get them.
        pipeline: What ran.
        catalog: Its datasets, pinned to this run.
        seconds: How long it took.
        decisions: Of a runner that skips nodes: what became of each.
    """
    made = pipeline.all_outputs()
    reports = _Reports(catalog, made)
    env = run_params.get("env")
    problem = _problem(catalog)
    lines = [f"{problem}: {len(pipeline.nodes)} steps in {_duration(seconds)}", ""]
    rows = [*explain_decisions(decisions, pipeline), *_rows(reports, catalog)]
    lines += [f"  {label:<{_WIDTH}} {line}" for label, line in rows]
    lines += ["", "Next:", *(f"  {command}" for command in _next(made, reports, env))]
    return "\n" + "\n".join(lines) + "\n"


def explain_decisions(
    decisions: Sequence[Decision], pipeline: Pipeline
) -> Iterator[tuple[str, str]]:
    """What was skipped, and why the rest was not: the causes, then what followed from them."""
    ran = {decision.node: decision for decision in decisions if decision.reused is None}
    if len(ran) == len(decisions) and not any(decision.changed for decision in decisions):
        return  # the first run, or none that skips: there is nothing to compare with
    if skipped := len(decisions) - len(ran):
        count = f"{skipped} of {len(decisions)}" if ran else "all"
        yield "unchanged", f"{count} steps: the results are those of earlier runs"
    made = {name for node in pipeline.nodes if node.name in ran for name in node.outputs}
    causes: dict[str, list[str]] = {}
    followed = []
    for name, decision in ran.items():
        if set(decision.changed) == {"inputs"} and made.issuperset(decision.changed["inputs"]):
            followed.append(name)
        else:
            causes.setdefault(decision.reason, []).append(name)
    label = "ran anew"
    for reason, names in causes.items():
        yield label, f"{_few(names)}: {reason}"
        label = ""
    if followed:
        yield label, f"{_few(followed)}: followed from that"


def _few(names: list[str], shown: int = 3) -> str:
    names = [name.rpartition(".")[2] for name in names]
    more = [f"{len(names) - shown} more"] if len(names) > shown else []
    return ", ".join([*names[:shown], *more])


class _Reports:
    """The reports that this run made or reused, by stage."""

    def __init__(self, catalog: CatalogProtocol, made: set[str]) -> None:
        self._catalog = catalog
        self._made = made

    def __getitem__(self, name: str) -> Any:
        return self._catalog.load(name) if name in self._made else None


def _rows(reports: _Reports, catalog: CatalogProtocol) -> Iterator[tuple[str, str]]:
    if ingestion := reports["ingestion_report"]:
        read = f"{ingestion['rows']:,} rows from {len(ingestion['files'])} file(s)"
        yield "read", f"{read}, {ingestion['quarantined']:,} in quarantine"
        for source in _worst(ingestion):
            yield "", source
    if cleaning := reports["cleaning_report"]:
        rules = {name: rule["rows"] for name, rule in cleaning["rules"].items() if rule["rows"]}
        most = sorted(rules.items(), key=lambda item: -item[1])[:4]
        yield "cleaned", ", ".join(f"{name} {rows:,} rows" for name, rows in most) or "nothing"
    if (splitting := reports["splitting_report"]) and not reports["audit_report"]:
        yield "splits", ", ".join(f"{name} {n:,}" for name, n in splitting["splits"].items() if n)
    if audit := reports["audit_report"]:
        sides = ", ".join(
            f"{name} {side['rows']:,}" for name, side in audit["splits"].items() if side["rows"]
        )
        yield "splits", sides
        dropped = {reason: count for reason, count in audit["dropped"].items() if count}
        yield "audit", f"{sum(dropped.values()):,} rows dropped from training and validation"
        for reason, count in dropped.items():
            yield "", f"{count:,}: {DROPPED[reason]}"
    if finetuning := reports["finetuning_report"]:
        yield "model", _model(finetuning)
        if reports["evaluation_report"] and _is_scratch(catalog):
            yield "", "trained from random weights: name a checkpoint for a much better one,"
            yield "", "--params model.checkpoint=hfl/chinese-roberta-wwm-ext or a folder"
    if metrics := reports["metrics"]:
        yield from _scores(metrics)
    if evaluation := reports["evaluation_report"]:
        yield from _wrapped("verdict", evaluation["verdict"]["sentence"])
    if export := reports["export_report"]:
        parity, raw = export["parity"], export["raw_path"]
        yield (
            "ONNX",
            f"logits within {parity['max_abs_logit_difference']:.1e} of torch on "
            f"{parity['rows']} rows; from raw text, {raw['rows']:,} {raw['split']} rows score "
            f"{raw['accuracy']:.1%}",
        )
    if decision := reports["decision"]:
        said = "unchanged" if decision["unchanged"] else decision["decision"]
        yield from _wrapped("decision", f"{said}: {decision['reason']}")
    if inference := reports["inference_report"]:
        yield (
            "predicted",
            f"{inference['rows']:,} rows, {inference['without_label']:,} of them without a label",
        )
        yield "output", str(inference["output"])
    yield from _places(reports, catalog)


def _wrapped(label: str, text: str) -> Iterator[tuple[str, str]]:
    for line in wrap(text, 88):
        yield label, line
        label = ""


def _worst(ingestion: dict[str, Any]) -> list[str]:
    reasons = list(ingestion["quarantine_reasons"].items())[:3]
    return [f"{count:,}: {reason}" for reason, count in reasons]


def _model(report: dict[str, Any]) -> str:
    stopped = ", stopped early" if report["stopped_early"] else ""
    return (
        f"{report['parameters'] / 1e6:.1f} M parameters on {report['device']}, "
        f"{report['epochs']:g} epochs{stopped}, {_duration(report['seconds'])}, "
        f"{report['rows_per_second']:,.0f} rows/s"
    )


def _is_scratch(catalog: CatalogProtocol) -> bool:
    return bool(catalog.load("checkpoint_profile")["source"] == "scratch")


def _scores(metrics: dict[str, Any]) -> Iterator[tuple[str, str]]:
    judged = "test" if "test" in metrics else "validation"
    if judged == "validation":
        yield "test", "there is no test split: these are validation scores"
    yield judged, f"{'':<20} accuracy                 macro-F1"
    for name, scores in (
        ("model", metrics[judged]),
        ("baseline", metrics["baseline"][judged]),
        ("model, leak-free", metrics.get(f"{judged}_leak_free")),
    ):
        if scores:
            yield (
                "",
                f"{name:<20} {_interval(scores, 'accuracy')}   {_interval(scores, 'macro_f1')}",
            )


def _interval(scores: dict[str, Any], name: str) -> str:
    value, low, high = (scores.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if low is None or high is None:
        return f"{value:6.1%}"
    return f"{value:6.1%} ({low:.1%} to {high:.1%})"


def _places(reports: _Reports, catalog: CatalogProtocol) -> Iterator[tuple[str, str]]:
    import os

    for label, name in (
        ("report", "evaluation_page"),
        ("audit", "audit_page"),
        ("bundle", "bundle"),
        ("why", "decision_page"),
    ):
        if reports[name] is not None:
            dataset = catalog.get(name)
            assert isinstance(dataset, VersionedDataset)
            yield label, _short(dataset.load_path)
    if (registered := reports["registered_model"]) and registered["uri"]:
        note = " (same content as before, no new version)" if registered["reused"] else ""
        yield "registered", f"{registered['uri']}{note}"
    if run := os.environ.get("MLFLOW_RUN_ID"):
        yield "MLflow run", f"{run} (see it with: make ui)"


def _next(made: set[str], reports: _Reports, env: str | None) -> list[str]:
    chosen = f" --env {env}" if env else ""
    ours, kedro = command("wenliu"), command("kedro")
    if "bundle" in made:
        example = '--text "收到了，就是包装有点破"' if env is None else "FILE -o labelled.csv"
        return [
            f"{ours} predict {example}{chosen}",
            f"{ours} new my_problem --from labelled.xlsx   then: {kedro} run --env my_problem",
            "make ui   (compare runs)   or   make viz   (look at the DAG)",
        ]
    if "inference_report" in made:
        return [f"look at {reports['inference_report']['output']}"]
    return [f"{kedro} run{chosen}   (all stages)"]


def _problem(catalog: CatalogProtocol) -> str:
    dataset = catalog.get("serving_bundle")
    assert dataset is not None
    return str(dataset._describe()["problem"])


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
