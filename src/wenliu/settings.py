"""Project settings that Kedro reads; see ``docs/architecture.md``."""

from wenliu.hooks.guard import GuardHook
from wenliu.hooks.steps import StepsHook
from wenliu.hooks.tracking import TrackingHook
from wenliu.hooks.versions import VersionsHook

#: Kedro calls the last one first: inputs are checked and pinned before a run is recorded.
HOOKS = (StepsHook(), TrackingHook(), VersionsHook(), GuardHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz",)
#: Runners that a server of pipelines may be asked for.
RUNNER_MODULE_ALLOWLIST = ("wenliu.runner",)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # Without it an environment's `finetuning: {epochs: 1}` throws away every other key there.
    "merge_strategy": {"parameters": "soft"},
}
