"""The project's own Kedro commands: ``kedro run`` with errors that people can act on.

Kedro finds ``cli`` here and prefers its commands to the built-in ones. ``run`` is imported only
when it is called: every other command would pay for it.
"""

from kedro.framework.cli.utils import LazyGroup

cli = LazyGroup(name="wenliu", lazy_subcommands={"run": "wenliu.run_command.run"})
