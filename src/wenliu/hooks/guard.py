"""Refuses parameters that nobody reads, catalog entries that nobody uses, and a gate without rows.

Kedro ignores the first two in silence: a misspelt key would train with the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu.errors import UserError

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from pydantic import ValidationError

MISSING: Mapping[str, Any] = MappingProxyType({})
#: Beginnings of the files, or folders of files, that are read in an environment.
_KINDS = ("parameters", "catalog", "globals", "credentials", "logging", "frozen")


class GuardHook:
    """Checks the configuration before anything runs."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Checks every parameter, those of stages that do not run included."""
        conf = Path(context.config_loader.conf_source)
        environment = conf / (context.env or "local")
        # The environment comes first: what it says goes.
        self._folders = [environment, conf / "base"]
        check_environment_files(environment)
        check_globals(context.config_loader["globals"], self._folders)
        check_parameters(
            context.config_loader["parameters"],
            self._folders,
            getattr(context.config_loader, "runtime_params", None) or {},
        )

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, catalog: CatalogProtocol) -> None:
        """Checks that every catalog entry belongs to a pipeline."""
        from kedro.framework.project import pipelines

        used = {name for pipeline in pipelines.values() for name in pipeline.datasets()}
        entries = [name for name in catalog if not name.startswith(("params:", "parameters"))]
        check_catalog_names(entries, used, self._folders)


class FrozenHook:
    """Checks that a gate has its rows, once the inbox was emptied: it may hold all there is."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Refuses before anything is pinned or recorded."""
        check_frozen(pipeline, catalog, run_params.get("env"))


def check_parameters(
    parameters: Mapping[str, Any], folders: Sequence[Path] = (), given: Mapping[str, Any] = MISSING
) -> None:
    """Holds merged parameters against their models.

    Args:
        parameters: Top-level key (a stage or ``model``) to its values.
        folders: Configuration folders, the one that goes first, to say where a key stands.
        given: What came by ``--params``.

    Raises:
        UserError: Naming the first key that is unknown or has a value that does not fit.
    """
    from pydantic import ValidationError

    from wenliu.params import MODELS

    for key in parameters:
        if key not in MODELS:
            inside = next((f"{s}.{key}" for s, m in MODELS.items() if key in m.model_fields), None)
            hint = f"did you mean '{inside}'? " if inside else _suggest(key, MODELS)
            raise UserError(
                f"No pipeline reads the parameter '{key}'.",
                where=_where([key], folders, given),
                remedy=f"{hint}the top-level keys are {', '.join(MODELS)}",
            )
    for stage, model in MODELS.items():
        try:
            model.model_validate({} if parameters.get(stage) is None else parameters[stage])
        except ValidationError as error:
            where = [stage, *_real_keys(error, parameters.get(stage))]
            raise _explained(error, where, _where(where, folders, given)) from error


def _real_keys(error: ValidationError, values: Any) -> list[str]:
    """The keys that lead to an error; Pydantic's location also names branches of unions."""
    keys = []
    for part in error.errors()[0]["loc"]:
        if isinstance(values, Mapping) and part in values:
            values = values[part]
            keys.append(str(part))
    return keys


def _explained(error: ValidationError, keys: list[str], where: str) -> UserError:
    from wenliu.params import MODELS

    path, first = ".".join(keys), error.errors()[0]
    if first["type"] == "extra_forbidden":
        fields: Any = MODELS[keys[0]].model_fields
        for key in keys[1:-1]:
            fields = getattr(fields[key].annotation, "model_fields", fields)
        return UserError(
            f"No pipeline reads the parameter '{path}'.",
            where=where,
            remedy=f"{_suggest(keys[-1], fields)}the keys there are {', '.join(fields)}",
        )
    return UserError(
        f"The parameter '{path}' has a value that does not fit: {first['input']!r}.",
        where=where,
        remedy="; ".join(dict.fromkeys(str(e["msg"]) for e in error.errors()[:4])),
    )


def check_globals(values: Mapping[str, Any], folders: Sequence[Path] = ()) -> None:
    """Refuses globals that are not the name of a problem: every path is made of it.

    Raises:
        UserError: Naming the key or the value.
    """
    for key in values:
        if key != "problem":
            raise UserError(
                f"globals.yml has the key '{key}', which nothing reads.",
                where=_where([key], folders, {}, "globals"),
                remedy="globals.yml holds one line: problem: NAME",
            )
    name = values.get("problem")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name):
        raise UserError(
            f"A problem cannot be called {name!r}.",
            where=_where(["problem"], folders, {}, "globals"),
            remedy="use letters, digits, - and _",
        )


def check_environment_files(folder: Path) -> None:
    """Refuses configuration files that Kedro would not find.

    Raises:
        UserError: Naming the first.
    """
    for path in sorted((*folder.rglob("*.yml"), *folder.rglob("*.yaml"))):
        parts = path.relative_to(folder).parts
        if not parts[0].startswith(_KINDS) and not path.name.startswith(_KINDS):
            raise UserError(
                "Nothing reads this configuration file.",
                where=str(path),
                remedy=f"move it to {folder / 'parameters' / path.name} or {folder / 'catalog'}/",
            )


def check_catalog_names(
    entries: Iterable[str], used: set[str], folders: Sequence[Path] = ()
) -> None:
    """Refuses catalog entries that no pipeline uses.

    Raises:
        UserError: Naming them.
    """
    if unused := [name for name in entries if name not in used]:
        raise UserError(
            f"No pipeline uses the catalog entry {_names(unused)}.",
            where=_where(unused[:1], folders, {}, "catalog"),
            remedy=f"{_suggest(unused[0], used)}or delete the entry",
        )


def check_frozen(pipeline: Pipeline, catalog: CatalogProtocol, env: str | None) -> None:
    """Refuses to train for hours towards a gate that has no rows to judge by.

    Raises:
        UserError: The run decides about a model, and its problem was never frozen.
    """
    if "decision" in pipeline.all_outputs() and not catalog.load("frozen_sets"):
        chosen = f" --env {env}" if env else ""
        raise UserError(
            "No rows of this problem are frozen, so no two models can be compared.",
            where="the stage promotion",
            remedy=f"once: wenliu freeze{chosen}; or train without deciding: kedro run{chosen}",
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _suggest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean '{near[0]}'? " if near else ""


def _where(
    keys: Sequence[str],
    folders: Sequence[Path],
    given: Mapping[str, Any],
    kind: str = "parameters",
) -> str:
    """The command line, or the file and line in which a nested key stands."""
    if _holds(given, keys):
        return "--params on the command line"
    import yaml

    for folder in folders:
        for path in sorted({*folder.glob(f"{kind}*.yml"), *folder.glob(f"{kind}*/**/*.yml")}):
            text = path.read_text("utf-8")
            if not _holds(yaml.safe_load(text), keys):
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip().lstrip("{").startswith((f"{keys[-1]}:", f'"{keys[-1]}":')):
                    return f"{path}:{number}"
            return str(path)
    return "the defaults"


def _holds(values: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True
