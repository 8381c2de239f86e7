"""Where MLflow keeps its things: one database and one artifact folder at the project root.

A relative ``sqlite:///`` would make a second database in every folder somebody starts from, and
the artifact root is fixed for good when an experiment is created: both are made absolute here.
``MLFLOW_TRACKING_URI`` wins.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu import clock
from wenliu.errors import UserError
from wenliu.processes import Process, is_gone

if TYPE_CHECKING:
    from mlflow import MlflowClient


#: Set before MLflow is imported, where the user has not set them.
_SETTINGS = {
    # MLflow asks for "true"; it sends usage figures otherwise.
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that went away is asked for four minutes by default, at each call. 2 retries after 1
    # and 2 s bridge a restart of a proxy; who goes on without a server is told so.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def tracking_uri(project: Path) -> str:
    """The tracking server, or the project's own database."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project / 'mlflow.db'}"


def has_store(project: Path) -> bool:
    """Whether there is anything to ask: a server, or the database of an earlier run."""
    return "MLFLOW_TRACKING_URI" in os.environ or (project / "mlflow.db").is_file()


def open_client(project: Path) -> MlflowClient:
    """A client of a store that is ready, the fluent interface included.

    The database is migrated under a lock: of six simultaneous first starts without it, five
    crashed in the migrations.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = tracking_uri(project)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if uri.startswith("sqlite:") and not (project / "mlflow.db").exists():
        print("Preparing MLflow's database (this time only, some ten seconds)", file=sys.stderr)
    from mlflow.exceptions import MlflowException

    with _lock(project / ".mlflow.lock"):
        client = MlflowClient(uri)
        try:
            client.search_registered_models(max_results=1)  # whatever is asked first migrates
        except MlflowException as error:
            raise UserError(
                f"MLflow does not answer: {' '.join(str(error).split())[:300]}",
                where=uri,
                remedy="start the server, or unset MLFLOW_TRACKING_URI to use the project's own "
                "database",
            ) from error
    return client


def open_store(project: Path, experiment: str) -> tuple[MlflowClient, str]:
    """A client and the id of the experiment, both made on first use."""
    client = open_client(project)
    with _lock(project / ".mlflow.lock"):
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            return client, found.experiment_id
        location = None
        if tracking_uri(project).startswith("sqlite:"):
            location = (project / "mlartifacts" / experiment).as_uri()
        # MLflow's page opens on its views for training runs, not on those for prompts.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return client, client.create_experiment(experiment, artifact_location=location, tags=tags)


def close_orphans(client: MlflowClient, experiment_id: str) -> list[str]:
    """Marks runs as KILLED whose process is gone; ``kill -9`` leaves them RUNNING.

    A replaced container has another host name: its runs count as killed after a day, as its nights
    do. A run that goes on all the same tells its own end later. Those of others are left alone.

    Returns:
        Ids of the runs that were closed.
    """
    now = datetime.now(UTC)  # MLflow knows no other clock
    closed = []
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        process = Process.of_tags(run.data.tags)
        age = now - datetime.fromtimestamp(run.info.start_time / 1000, UTC)
        if process is not None and is_gone(process, age):
            client.set_tag(run.info.run_id, "wenliu.reaped", clock.now().isoformat())
            client.set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_id)
    return closed


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
