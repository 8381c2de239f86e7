"""The model registry as a dataset: save registers a bundle, load says which version it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError

from wenliu import clock
from wenliu.datasets.commit import Lineage, digest_of
from wenliu.errors import UserError
from wenliu.model_store import CONFIG, CREATED, DATA, SHA256, fingerprint_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: What of this package travels with a registered model.
RUNTIME_PARTS = (
    "__init__.py",
    "disk.py",
    "errors.py",
    "frames.py",
    "progress.py",
    "text",
    "tasks",
    "metrics",
    "serving",
)
#: What the runtime imports. The rest of our dependencies is for training and for reading files.
RUNTIME_PACKAGES = ("numpy", "onnxruntime", "opencc", "pandas", "tokenizers")

#: Of the code, parameters and inputs that a version was registered with: its completeness marker.
_FINGERPRINT = "wenliu.fingerprint"
_EXAMPLE = "快递三天了还没到，客服也不回消息"


class RegisteredModelDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A model of the MLflow registry.

    A bundle whose content is registered already gets no second version.

    Args:
        name: Of the registered model: the problem.
        tracking_uri: Default: ``MLFLOW_TRACKING_URI``, else what the tracking hook has set.
        metadata: For Kedro-Viz.

    Attributes:
        run_id: The MLflow run that the model belongs to; default: ``MLFLOW_RUN_ID``.
        lineage: Set by the versions hook before the node runs.
        origin: Gives hashes of the raw data and of the configuration; set by the registry hook.
    """

    #: Why the node that saves is not skipped.
    unsaved = "the registry does not have it"

    def __init__(
        self, name: str, tracking_uri: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._name = name
        self._tracking_uri = tracking_uri
        self.metadata = metadata
        self.run_id: str | None = None
        self.lineage = Lineage()
        self.origin: Callable[[], tuple[str, str]] = lambda: ("", "")
        self._saved: dict[str, Any] | None = None

    def save(self, data: dict[str, Any]) -> None:
        """Registers a bundle.

        Args:
            data: ``bundle`` (its folder, or None to register nothing), ``description`` and
                ``metrics`` (a flat mapping of the numbers it was gated on).

        Raises:
            UserError: When the registry cannot be reached; the bundle stays where it is.
        """
        if data["bundle"] is None:
            self._saved = {"name": self._name, "version": None, "uri": None, "reused": False}
            return
        from mlflow.exceptions import MlflowException

        from wenliu.serving.manifest import read_manifest

        bundle = Path(data["bundle"])
        sha256 = read_manifest(bundle)["content_sha256"]
        try:
            client = self._client()
            found = self._versions(client, f" and tag.{SHA256} = '{sha256}'")
            registered = found[0] if found else self._register(client, bundle, sha256, data)
            client.set_model_version_tag(
                self._name, registered.version, _FINGERPRINT, digest_of(self.lineage)
            )
        except (MlflowException, OSError) as error:
            raise UserError(
                f"The model could not be registered: {error}",
                where=f"MLflow model {self._name!r}",
                remedy=f"The bundle is complete in {bundle}. When MLflow is there again: "
                "`kedro run --pipelines export`.",
            ) from error
        self._saved = self._facts(registered, reused=bool(found))

    def reuse(self, lineage: Lineage) -> bool:
        """Whether the registry still has what a node with this lineage has registered before.

        If so, ``load`` gives it. The registry is asked one question and not changed.
        """
        from mlflow.exceptions import MlflowException

        condition = f" and tag.`{_FINGERPRINT}` = '{digest_of(lineage)}'"
        try:
            found = self._versions(self._client(), condition)
        except (MlflowException, OSError):
            return False  # the node runs, and says better what is wrong
        if found:
            self._saved = self._facts(found[0], reused=True)
        return bool(found)

    def load(self) -> dict[str, Any]:
        """Which version this run has registered or reused; outside of a run, the newest.

        Returns:
            ``name``, ``version``, ``uri``, ``reused`` and ``fingerprint`` (of this run's data and
            configuration; empty where no hook has set them).
        """
        fingerprint = {"fingerprint": fingerprint_of(*self.origin())}
        if self._saved is not None:
            return self._saved | fingerprint
        versions = self._versions(self._client())
        if not versions:
            raise DatasetError(f"MLflow has no version of the model {self._name!r}.")
        return self._facts(versions[0], reused=True) | fingerprint

    def content(self) -> str:
        """What :meth:`load` depends on: a fingerprint's part."""
        facts = self.load()
        return f"version {facts['version']} of {self._name}, {facts['fingerprint']}"

    def _register(
        self, client: MlflowClient, bundle: Path, sha256: str, data: Mapping[str, Any]
    ) -> ModelVersion:
        import mlflow
        import pandas as pd
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        from wenliu import serving

        run_id = self.run_id or os.environ.get("MLFLOW_RUN_ID")
        if run_id is None:
            raise DatasetError(
                "A model is registered within an MLflow run; MLFLOW_RUN_ID is unset."
            )
        # The model is created for our run by its id. By itself, mlflow.pyfunc.log_model goes by
        # the active run and experiment of this thread: it would store the model in ./mlruns of
        # whatever the working directory is, or end the run before the pipeline has finished.
        model = client.create_logged_model(
            experiment_id=client.get_run(run_id).info.experiment_id,
            name=self._name,
            source_run_id=run_id,
            params={key: str(value) for key, value in data.get("metrics", {}).items()},
        )
        with _runtime_copy() as code, _quiet():
            logged = mlflow.pyfunc.log_model(
                model_id=model.model_id,
                python_model=str(Path(serving.__file__).with_name("mlflow_model.py")),
                artifacts={"bundle": str(bundle)},
                code_paths=[str(code)],
                pip_requirements=requirements(),
                signature=ModelSignature(
                    inputs=Schema([ColSpec("string", "text")]),
                    outputs=Schema([ColSpec("string", "label"), ColSpec("double", "probability")]),
                ),
                input_example=pd.DataFrame({"text": [_EXAMPLE]}),
            )
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
            # The tags are set as the version is made: a crash leaves no version without them.
            registered = mlflow.register_model(
                logged.model_uri, self._name, await_registration_for=0, tags=self._tags(sha256)
            )
        client.update_model_version(self._name, registered.version, data.get("description", ""))
        return registered

    def _tags(self, sha256: str) -> dict[str, str]:
        data, config = self.origin()
        now = clock.now().isoformat(timespec="seconds")
        tags = {SHA256: sha256, CREATED: now, DATA: data, CONFIG: config}
        return {key: value for key, value in tags.items() if value}

    def _versions(self, client: MlflowClient, condition: str = "") -> list[ModelVersion]:
        found = client.search_model_versions(f"name = '{self._name}'{condition}")
        return sorted(found, key=lambda one: int(one.version), reverse=True)

    def _facts(self, registered: ModelVersion, *, reused: bool) -> dict[str, Any]:
        number = int(registered.version)
        uri = f"models:/{self._name}/{number}"
        return {"name": self._name, "version": number, "uri": uri, "reused": reused}

    def _client(self) -> MlflowClient:
        import mlflow

        uri = self._tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if uri is not None:
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
        return mlflow.MlflowClient()

    def _exists(self) -> bool:
        return self._saved is not None or bool(self._versions(self._client()))

    def _describe(self) -> dict[str, Any]:
        return {"name": self._name, "tracking_uri": self._tracking_uri}


def requirements() -> list[str]:
    """What a registered model needs: this version or a later one without breaking changes."""
    return [f"{name}{_compatible(version(name))}" for name in RUNTIME_PACKAGES]


def _compatible(installed: str) -> str:
    major, minor = installed.split(".")[:2]
    ceiling = f"{int(major) + 1}" if major != "0" else f"0.{int(minor) + 1}"
    return f">={installed},<{ceiling}"


@contextmanager
def _runtime_copy() -> Iterator[Path]:
    """A folder ``wenliu`` with the layers that serve, and nothing else."""
    package = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="wenliu-") as temporary:
        copy = Path(temporary) / "wenliu"
        copy.mkdir()
        for part in RUNTIME_PARTS:
            source = package / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, copy / part)
        yield copy


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow prints progress bars and successes of its own; the summary says what was done."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    import mlflow.utils.logging_utils as logs

    kept = os.environ.get("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logs.disable_logging()
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logs.enable_logging()
        if kept is None:
            del os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"]
        else:
            os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = kept
