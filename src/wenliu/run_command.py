"""``kedro run``, with an environment check before it and readable errors around it."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from wenliu.console import configure_logging, user_errors
from wenliu.environments import check_environment
from wenliu.errors import UserError
from wenliu.pipeline_registry import register_pipelines


def _run(**options: Any) -> None:
    project = find_kedro_project(Path.cwd()) or Path.cwd()
    log_file = configure_logging(project)
    signal.signal(signal.SIGTERM, _leave)
    with user_errors(log_file):
        conf = Path(options.get("conf_source") or project / "conf")
        check_environment(options.get("env"), conf)
        check_pipelines(options.get("pipelines") or [])
        assert kedro_run.callback is not None
        kedro_run.callback(**options)


def _leave(signum: int, frame: object) -> None:
    """Turns SIGTERM into an exit, so that the tracking hook can record the run as killed."""
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
    params=kedro_run.params,
    callback=_run,
    help="Run the pipeline: `kedro run` is the bundled problem, `--env NAME` another.",
)
