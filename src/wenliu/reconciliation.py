"""What every start does: the links on disk, and the tags, follow MLflow's aliases."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wenliu import registry_log, registry_tags
from wenliu.errors import UserError
from wenliu.model_store import Version
from wenliu.registry_tags import PROMOTED, ROLLED_BACK
from wenliu.serving.locate import CHAMPION, PREVIOUS

if TYPE_CHECKING:
    from wenliu.registry import Registry


def reconcile(registry: Registry) -> list[str]:
    """Makes links and tags follow the aliases, whatever stopped a change before.

    Returns:
        What was done, a sentence each. What cannot be mended is a warning: the champion on disk
        goes on serving.
    """
    aliases = registry.store.aliases()
    if CHAMPION not in aliases:
        if lost := registry.lost_alias():
            logging.getLogger(__name__).warning("%s", lost)
        return []
    registry.folders.sweep()
    versions = {one.number: one for one in registry.versions()}
    champion = versions[aliases[CHAMPION]]
    done = _mend_tags(registry, champion)
    previous = versions.get(aliases.get(PREVIOUS, -1))
    if previous is not None and previous.number == champion.number:
        previous = registry.champion_before(champion)
        registry.store.set_alias(PREVIOUS, previous.number if previous else None)
        done.append("a change that was cut off is complete: 'previous' is not the champion")
    if _show_champion(registry, champion):
        done.append(f"the folder 'champion' follows the registry to version {champion.number}")
    if registry.show_previous(previous):
        number = previous.number if previous else None
        done.append(f"the folder 'previous' follows the registry to version {number}")
    for sentence in done:
        registry_log.append(registry.log, "reconcile", champion.number, sentence)
    return done


def _mend_tags(registry: Registry, champion: Version) -> list[str]:
    """Whoever is the champion is called promoted, and not rolled back; what was done."""
    done = []
    if PROMOTED not in champion.tags:
        done.append("the version that MLflow names champion is marked as promoted")
        registry_tags.mark_promoted(registry.store, champion, done[-1])
    if ROLLED_BACK in champion.tags:
        registry_tags.unblock(registry.store, champion)
        done.append("the champion is not marked as rolled back any more")
    return done


def _show_champion(registry: Registry, champion: Version) -> bool:
    try:
        return registry.follow(CHAMPION, champion)
    except (UserError, OSError) as error:
        logging.getLogger(__name__).warning("The folder 'champion' stays: %s", error)
        return False
