"""The ``wenliu`` command: what there is besides ``kedro run``.

A command's module is imported when it is called: ``wenliu predict --text`` answers within 1.5
seconds.
"""

from __future__ import annotations

from importlib import import_module

import click

#: Command -> what it does, in the order of the help. Each is a function of that name in
#: ``wenliu.commands.<command>``.
COMMANDS = {
    "new": "Make a problem from your own labelled file.",
    "predict": "Label a FILE, or one --text.",
    "freeze": "Fix which rows judge models from now on.",
    "labels": "The labels of a problem; add one deliberately.",
    "inbox": "What lies in the inbox, and what became of it.",
    "status": "Is the model current? Exit code 0 fresh, 1 failing, 2 stale.",
    "promote": "Make a registered version the champion.",
    "rollback": "Go back to the champion before.",
    "history": "What happened in all nights.",
    "prune": "Delete versions that nobody needs.",
    "schedule": "Run every night.",
    "simulate": "Thirty nights in some ten minutes.",
}


class _Commands(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of :data:`COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the one that is called."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"wenliu.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands)
@click.version_option(package_name="wenliu")
def main() -> None:
    """Chinese text in, an honest BERT out. The main job is `kedro run`."""


if __name__ == "__main__":
    main()
