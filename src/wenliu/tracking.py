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
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def tracking_uri(project: Path) -> str:
    """The tracking server, or the project's own database."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project / 'mlflow.db'}"


def open_store(project: Path, experiment: str) -> tuple[MlflowClient, str]:
    """A client and the id of the experiment, both made on first use.

    The database is migrated under a lock: of six simultaneous first starts without it, five
    crashed in the migrations.
    """
    # MLflow asks for "true"; it sends usage figures otherwise.
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = tracking_uri(project)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if uri.startswith("sqlite:") and not (project / "mlflow.db").exists():
        print("Preparing MLflow's database (this time only, some ten seconds)", file=sys.stderr)
    with _lock(project / ".mlflow.lock"):
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            return client, found.experiment_id
        location = None
        if uri.startswith("sqlite:"):
            location = (project / "mlartifacts" / experiment).as_uri()
        # MLflow's page opens on its views for training runs, not on those for prompts.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return client, client.create_experiment(experiment, artifact_location=location, tags=tags)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
