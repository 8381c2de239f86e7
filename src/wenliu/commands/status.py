"""``wenliu status``."""

from __future__ import annotations

import click

from wenliu.project import find_project


@click.command()
@click.option("--env", help="Problem; default: the bundled one.")
@click.option("--json", "as_data", is_flag=True, help="For a monitor.")
@click.option(
    "--max-age", type=click.FloatRange(min=0), default=26.0, show_default=True,
    help="Hours after which the last success is too long ago.",
)  # fmt: skip
def status(env: str | None, as_data: bool, max_age: float) -> None:
    """Is the model current? Exit code 0 fresh, 1 failing, 2 stale."""
    from wenliu.console import user_errors

    with user_errors():
        import json

        from wenliu.environments import problem_of
        from wenliu.night_status import as_json, as_lines, status_of

        project = find_project()
        found = status_of(project, problem_of(project, env), max_age, env)
        if as_data:
            click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=1))
        else:
            click.echo("\n".join(as_lines(found)))
    raise SystemExit(found.exit_code)
