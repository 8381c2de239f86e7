"""Project settings that Kedro reads; see ``docs/architecture.md``."""

from wenliu.hooks.guard import FrozenHook, GuardHook
from wenliu.hooks.inbox import InboxHook
from wenliu.hooks.lock import LockHook
from wenliu.hooks.night import NightHook
from wenliu.hooks.registry import RegistryHook
from wenliu.hooks.steps import StepsHook
from wenliu.hooks.tracking import TrackingHook
from wenliu.hooks.versions import VersionsHook

#: `kedro run` opens a record with it before Kedro calls any hook.
NIGHT = NightHook()
#: Kedro calls the last one first: inputs are checked and pinned before a run is recorded.
HOOKS = (
    NIGHT,
    StepsHook(),
    TrackingHook(),
    VersionsHook(),
    FrozenHook(),
    InboxHook(),
    RegistryHook(),
    LockHook(),
    GuardHook(),
)
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz",)
#: Runners that a server of pipelines may be asked for.
RUNNER_MODULE_ALLOWLIST = ("wenliu.runner",)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # Without it an environment's `finetuning: {epochs: 1}` throws away every other key there.
    "merge_strategy": {"parameters": "soft"},
}
