"""``kedro run``, with an environment check before it and readable errors around it."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from wenliu.console import configure_logging, user_errors
from wenliu.environments import (
    BASE,
    GLOBALS,
    check_environment,
    environment,
    problem_name,
    problem_of,
)
from wenliu.errors import UserError
from wenliu.hooks.lock import needs_lock, run_words
from wenliu.lock import problem_lock
from wenliu.pipeline_registry import NIGHTLY, register_pipelines

#: Options of ``kedro run`` that choose some steps of a pipeline.
PARTIAL = (
    "tags", "namespaces", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs",
    "only_missing_outputs",
)  # fmt: skip


def _run(wait: float = 0.0, **options: Any) -> None:
    project = find_kedro_project(Path.cwd()) or Path.cwd()
    log_file = configure_logging(project)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with user_errors(log_file):
        conf = Path(options.get("conf_source") or project / "conf")
        check_environment(options.get("env"), conf)
        check_pipelines(_named(options))
        assert kedro_run.callback is not None
        with _alone(project, conf, options, wait), _recorded(project, options):
            kedro_run.callback(**options)


def _alone(
    project: Path, conf: Path, options: dict[str, Any], wait: float
) -> AbstractContextManager[None]:
    """The problem's lock, asked for before Kedro builds anything: a second run leaves at once."""
    names = _named(options)
    folders = (conf / environment(options.get("env")), conf / BASE)
    problem = next(filter(None, (problem_name(folder / GLOBALS) for folder in folders)), None)
    if problem is None or (names and not needs_lock(names)):
        return nullcontext()
    return problem_lock(project, problem, run_words(names), wait)


def _named(options: dict[str, Any]) -> list[str]:
    """Pipelines that were asked for; ``--pipeline`` is Kedro's older name for one of them."""
    one = options.get("pipeline")
    return [*(options.get("pipelines") or []), *([one] if one else [])]


def _recorded(project: Path, options: dict[str, Any]) -> AbstractContextManager[None]:
    """A nightly run skips what has not changed, and a whole one leaves a record however it ends."""
    if NIGHTLY not in _named(options):
        return nullcontext()
    from wenliu.settings import NIGHT

    options["runner"] = options.get("runner") or "wenliu.runner.FreshRunner"
    if any(options.get(name) for name in PARTIAL):
        return nullcontext()  # some steps of a night are no night
    return NIGHT.recording(project, problem_of(project, options.get("env")))


def _leave(signum: int, frame: object) -> None:
    """Turns a signal into an exit with its code; the tracking hook records the run as killed.

    While a model trains another handler stands in for this one: ``training/interruption.py``.
    """
    raise SystemExit(128 + signum)


def check_pipelines(names: Iterable[str]) -> None:
    """Refuses a pipeline that does not exist.

    Raises:
        UserError: Listing the known ones.
    """
    known = list(register_pipelines())
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise UserError(
                f"There is no pipeline '{name}'.",
                where="--pipelines",
                remedy=(f"did you mean '{near[0]}'? " if near else "")
                + f"known: {', '.join(known)}",
            )


run = click.Command(
    "run",
    params=[
        *kedro_run.params,
        click.Option(
            ["--wait"],
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="Queue behind another run of the problem for so long, instead of leaving with 75.",
        ),
    ],
    callback=_run,
    help="Run the pipeline: `kedro run` is the bundled problem, `--env NAME` another.",
)
