"""Refuses parameters that nobody reads and catalog entries that nobody uses.

Kedro ignores both in silence: a misspelt key would train with the default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu.errors import UserError

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from pydantic import ValidationError


class GuardHook:
    """Checks the configuration before anything runs."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Checks every parameter, those of stages that do not run included."""
        self._conf = Path(context.config_loader.conf_source)
        self._folders = [
            self._conf / "base",
            self._conf / (context.env or "local"),
        ]
        check_parameters(context.config_loader["parameters"], self._folders)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, catalog: CatalogProtocol) -> None:
        """Checks that every catalog entry belongs to a pipeline."""
        from kedro.framework.project import pipelines

        used = {name for pipeline in pipelines.values() for name in pipeline.datasets()}
        entries = [name for name in catalog if not name.startswith(("params:", "parameters"))]
        check_catalog_names(entries, used, self._folders)


def check_parameters(parameters: Mapping[str, Any], folders: Iterable[Path] = ()) -> None:
    """Holds merged parameters against their models.

    Args:
        parameters: Top-level key (a stage or ``model``) to its values.
        folders: Configuration folders, to say where a key stands.

    Raises:
        UserError: Naming every key that is unknown or has a value that does not fit.
    """
    from pydantic import ValidationError

    from wenliu.params import MODELS

    if unknown := [key for key in parameters if key not in MODELS]:
        raise UserError(
            f"No pipeline reads the parameter {_names(unknown)}.",
            where=_where(unknown[0], folders, "parameters*"),
            remedy=f"{_suggest(unknown[0], MODELS)}the top-level keys are {', '.join(MODELS)}",
        )
    for stage, model in MODELS.items():
        try:
            model.model_validate(parameters.get(stage) or {})
        except ValidationError as error:
            raise _explained(stage, error, folders) from error


def _explained(stage: str, error: ValidationError, folders: Iterable[Path]) -> UserError:
    from wenliu.params import MODELS

    first = error.errors()[0]
    # Pydantic names the branches of a union in the location; only real keys help the reader.
    location = [str(part) for part in first["loc"] if part not in ("int", "float", "bool")]
    path = ".".join([stage, *(part for part in location if "[" not in part)])
    key = location[-1] if location else stage
    if first["type"] == "extra_forbidden":
        fields: Iterable[str] = MODELS[stage].model_fields
        if len(location) > 1:
            nested = MODELS[stage].model_fields[location[0]].annotation
            fields = getattr(nested, "model_fields", fields)
        return UserError(
            f"No pipeline reads the parameter '{path}'.",
            where=_where(key, folders, "parameters*"),
            remedy=f"{_suggest(key, fields)}the keys there are {', '.join(fields)}",
        )
    return UserError(
        f"The parameter '{path}' has a value that does not fit: {first['input']!r}.",
        where=_where(key, folders, "parameters*"),
        remedy="; ".join(dict.fromkeys(str(e["msg"]) for e in error.errors()[:4])),
    )


def check_catalog_names(
    entries: Iterable[str], used: set[str], folders: Iterable[Path] = ()
) -> None:
    """Refuses catalog entries that no pipeline uses.

    Raises:
        UserError: Naming them.
    """
    if unused := [name for name in entries if name not in used]:
        raise UserError(
            f"No pipeline uses the catalog entry {_names(unused)}.",
            where=_where(unused[0], folders, "catalog*"),
            remedy=f"{_suggest(unused[0], used)}or delete the entry",
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _suggest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def _where(key: str, folders: Iterable[Path], pattern: str) -> str:
    """The configuration file and line in which ``key`` stands, else the command line."""
    for folder in reversed(list(folders)):
        for path in sorted({*folder.glob(f"{pattern}.yml"), *folder.glob(f"{pattern}/**/*.yml")}):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if line.strip().startswith((f"{key}:", f'"{key}":', f"'{key}':")):
                    return f"{path}:{number}"
    return "--params on the command line"
