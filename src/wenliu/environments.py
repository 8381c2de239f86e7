"""Which Kedro environments there are, and which problem each one is about.

Imports neither Kedro nor anything else that takes time: ``wenliu predict`` asks it as well.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from wenliu.errors import UserError

BASE = "base"
LOCAL = "local"
GLOBALS = "globals.yml"
#: Environments that a run may name although they are no problems: they run the bundled one.
NOT_PROBLEMS = (BASE, LOCAL)


def environment(env: str | None) -> str:
    """The environment that is meant: the one given, else ``KEDRO_ENV``, else ``local``."""
    return env or os.environ.get("KEDRO_ENV") or LOCAL


def problems(conf: Path) -> list[str]:
    """The environments that are problems: folders of ``conf`` with a ``globals.yml`` of their own.

    The bundled problem is none of them: it is what ``base`` holds.
    """
    folders = (path.parent.name for path in conf.glob(f"*/{GLOBALS}"))
    return sorted(name for name in folders if name not in NOT_PROBLEMS)


def check_environment(env: str | None, conf: Path) -> None:
    """Refuses an environment that is neither a problem nor ``base`` nor ``local``.

    Args:
        env: As given; None is ``KEDRO_ENV``, else ``local``.
        conf: The folder of configuration; anything else, such as an archive, is left to Kedro.

    Raises:
        UserError: Listing the known ones.
    """
    env = environment(env)
    known = problems(conf)
    if env in NOT_PROBLEMS or env in known or not conf.is_dir():
        return
    make = f"make one with: wenliu new {env} --from FILE"
    if Path(env).name == env and (conf / env).is_dir():
        # Without a name of its own it would write its results over the bundled problem's.
        raise UserError(
            f"The environment '{env}' does not say which problem it is.",
            where=str(conf / env / GLOBALS),
            remedy=f"write this line into it: problem: {env}",
        )
    near = get_close_matches(env, known, n=1)
    raise UserError(
        f"There is no problem '{env}'.",
        where=str(conf),
        remedy=(f"did you mean '{near[0]}'? " if near else "")
        + f"known: {', '.join(known) or 'none besides the bundled one'}; {make}",
    )


def problem_of(project: Path, env: str | None) -> str:
    """The problem's name in ``conf/<env>/globals.yml``, else that of ``conf/base``.

    Args:
        project: Its root.
        env: As given; None is ``KEDRO_ENV``, else ``local``.

    Raises:
        UserError: There is no such environment, or no file names the problem.
    """
    conf = project / "conf"
    check_environment(env, conf)
    for folder in (environment(env), BASE):
        if name := problem_name(conf / folder / GLOBALS):
            return name
    raise UserError(
        "No problem is named.",
        where=str(conf / BASE / GLOBALS),
        remedy="write this line into it: problem: NAME",
    )


def problem_name(path: Path) -> str | None:
    """What a ``globals.yml`` calls its problem; None where there is no such file or line.

    Raises:
        UserError: The file is no YAML.
    """
    import yaml

    if not path.is_file():
        return None
    try:
        values: Any = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"The file is no YAML: {' '.join(str(error).split())[:200]}",
            where=str(path),
            remedy="it holds one line: problem: NAME",
        ) from error
    name = values.get("problem") if isinstance(values, dict) else None
    return None if name is None else str(name)
