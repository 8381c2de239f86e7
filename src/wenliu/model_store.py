"""The versions of a problem's model as MLflow keeps them: read, tagged, named, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.tracking import has_store, open_client, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: Tags of a version, set when it is registered.
SHA256 = "bundle_sha256"
CREATED = "wenliu.created_at"
DATA, CONFIG = "wenliu.data_sha256", "wenliu.config"


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        number: In the registry.
        sha256: Of the bundle's content.
        tags: As the registry has them.
        created: When it was registered.
        run_id: The MLflow run that made it.
        source: The model in MLflow's store, ``models:/m-...``.
        folder: A copy of the bundle on this machine; None: there is none, or nobody has looked.
    """

    number: int
    sha256: str
    tags: Mapping[str, str]
    created: datetime
    run_id: str | None
    source: str
    folder: Path | None = None

    @property
    def fingerprint(self) -> str:
        """Of data and configuration; empty where the version was registered without."""
        return fingerprint_of(self.tags.get(DATA, ""), self.tags.get(CONFIG, ""))


def fingerprint_of(data: str, config: str) -> str:
    """One name for data and configuration, from the hash of each."""
    return f"{data[:16]}-{config[:16]}" if data and config else ""


class ModelStore:
    """What the registry needs of MLflow. Without a store there are no versions, and no import.

    Args:
        project: Its root.
        name: Of the registered model: the problem.
    """

    def __init__(self, project: Path, name: str) -> None:
        self._project = project
        self.name = name
        self.uri = tracking_uri(project)

    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        if not has_store(self._project):
            return []
        with self._asked():
            found = self.client.search_model_versions(f"name = '{self.name}'")
        return sorted(map(_version, found), key=lambda one: one.number, reverse=True)

    def aliases(self) -> dict[str, int]:
        """All aliases, those of somebody else included."""
        return {name: int(number) for name, number in self._model("aliases").items()}

    def model_tags(self) -> dict[str, str]:
        """Tags of the model, which outlive its versions."""
        return dict(self._model("tags"))

    def set_alias(self, alias: str, version: int | None) -> None:
        """Turns an alias to a version, or removes it."""
        with self._asked():
            if version is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                self.client.set_registered_model_alias(self.name, alias, str(version))

    def tag(self, version: int, tags: Mapping[str, str] | Mapping[str, str | None]) -> None:
        """Sets tags of a version; None removes one."""
        with self._asked():
            for key, value in tags.items():
                if value is None:
                    self.client.delete_model_version_tag(self.name, str(version), key)
                else:
                    self.client.set_model_version_tag(self.name, str(version), key, value)

    def tag_model(self, tags: Mapping[str, str | None]) -> None:
        """Sets tags of the model; None removes one."""
        with self._asked():
            for key, value in tags.items():
                if value is None:
                    self.client.delete_registered_model_tag(self.name, key)
                else:
                    self.client.set_registered_model_tag(self.name, key, value)

    def delete(self, version: int) -> None:
        """Deletes a version. MLflow drops its aliases without a word: look at them before."""
        with self._asked():
            self.client.delete_model_version(self.name, str(version))

    def download(self, version: int) -> Path | None:
        """The bundle within the registered model; None: it is not there any more."""
        import mlflow
        from mlflow.exceptions import MlflowException

        with self._asked():
            try:
                model = mlflow.artifacts.download_artifacts(f"models:/{self.name}/{version}")
            except OSError:
                return None
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise
        bundle = Path(model) / "artifacts" / "bundle"
        return bundle if bundle.is_dir() else None

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client, made when it is needed: its import takes more than a second."""
        return open_client(self._project)

    def _model(self, field_name: str) -> Mapping[str, str]:
        from_nothing: Mapping[str, str] = {}
        if not has_store(self._project):
            return from_nothing
        from mlflow.exceptions import MlflowException

        with self._asked():
            try:
                found: Any = self.client.get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return from_nothing
                raise
        values: Mapping[str, str] = getattr(found, field_name)
        return values

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Says what to do when MLflow does not answer."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise UserError(
                f"MLflow's registry did not do it: {' '.join(str(error).split())[:300]}",
                where=self.uri,
                remedy="see that the server answers, then do the same again; what serves goes on",
            ) from error


def _version(found: ModelVersion) -> Version:
    tags = dict(found.tags)
    created = tags.get(CREATED)
    return Version(
        number=int(found.version),
        sha256=tags.get(SHA256, ""),
        tags=tags,
        created=datetime.fromisoformat(created)
        if created
        else datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        run_id=found.run_id,
        source=found.source or "",
    )
