"""The registry of a problem's models: which version is the champion, and which was.

MLflow's aliases are the truth; the links on disk follow them (``champion_folder.py``) and are held
against them at every start. Aliases can only be moved one by one: the order is chosen so that
wherever it is cut off one version is the champion, and the next start can tell what was meant
(``docs/decisions/017-champion.md``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wenliu import registry_log, registry_tags
from wenliu.champion_folder import ChampionFolder
from wenliu.errors import UserError
from wenliu.lock import problem_lock
from wenliu.model_store import ModelStore, Version
from wenliu.reconciliation import reconcile
from wenliu.registry_tags import ROLLED_BACK
from wenliu.serving.locate import CHAMPION, PREVIOUS

CHALLENGER = "challenger"


class Registry:
    """The versions of a problem's model and what they are called.

    Args:
        project: Its root.
        problem: As in ``globals.yml``, and the model's name.
    """

    def __init__(self, project: Path, problem: str) -> None:
        self.project = project.resolve()
        self.problem = problem
        self.store = ModelStore(self.project, problem)
        self.folders = ChampionFolder(self.project, problem)
        self.log = registry_log.log_path(self.project, problem)

    def champion(self) -> Version | None:
        """The version that serves; None: no version was promoted yet."""
        return self._called(CHAMPION)

    def previous(self) -> Version | None:
        """The champion before, to which a rollback goes."""
        return self._called(PREVIOUS)

    def challenger(self) -> Version | None:
        """The version that the gate judged last and did not promote."""
        return self._called(CHALLENGER)

    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        return self.store.versions()

    def version(self, number: int) -> Version:
        """One version, with the folder of its bundle on this machine.

        Raises:
            UserError: There is none of this number; those that there are.
        """
        versions = {one.number: one for one in self.versions()}
        if number not in versions:
            known = ", ".join(map(str, [*versions][:10]))
            raise UserError(
                f"The model {self.problem!r} has no version {number}.",
                where=self.store.uri,
                remedy=f"its newest versions: {known}" if known else "train one: kedro run",
            )
        found = versions[number]
        return replace(found, folder=self.folders.copy_of(number, found.sha256))

    def blocked(self) -> dict[str, str]:
        """What is not promoted by itself again: sha256 of a bundle, or fingerprint -> why."""
        return registry_tags.blocked(self.store)

    def best(self, rows: str | None = None) -> dict[str, Any] | None:
        """The best of those that were promoted: :func:`wenliu.registry_tags.best_of`."""
        return registry_tags.best_of(self.versions(), rows)

    def lost_alias(self) -> str | None:
        """Why there is no champion although one serves; None: all is well.

        Somebody removed the alias in MLflow, or the version with it, or the database is another.
        """
        if not self.folders.is_linked(CHAMPION) or CHAMPION in self.store.aliases():
            return None
        number = (self.folders.home / CHAMPION).readlink().name
        return (
            f"MLflow names no champion of {self.problem}, but version {number} goes on serving: "
            f"say what is to serve, with wenliu promote {number} --reason WHY or another version."
        )

    def set_challenger(self, version: int, reason: str) -> None:
        """Notes which version the gate has judged last and not promoted."""
        if self.store.aliases().get(CHALLENGER) != version:
            self.store.set_alias(CHALLENGER, version)
            registry_log.append(self.log, CHALLENGER, version, reason)

    def promote(
        self, version: int, reason: str, decision: Mapping[str, Any] | None = None
    ) -> Version:
        """Makes a version the champion, and the champion the previous one.

        Args:
            version: Its number.
            reason: In a sentence.
            decision: Of the gate; None: somebody does it by hand, and content that was rolled back
                may be promoted by itself from then on.

        Raises:
            UserError: There is no such version, its bundle is damaged, or MLflow is not there.
            SystemExit: With code 75: another run of the problem is going on.
        """
        with problem_lock(self.project, self.problem, f"promotion of version {version}"):
            target, champion = self.version(version), self.champion()
            self.fill(target)  # before anything changes: what cannot be served is not promoted
            if champion is not None and champion.number == target.number:
                self.reconcile()  # a try before may have been cut off
                return self.version(version)
            if champion is not None:
                self._name_previous(champion)
            by_hand = decision is None
            self._crown(target, reason, unblock=by_hand)
            facts = {
                "by": "hand" if by_hand else "gate",
                "before": champion.number if champion else None,
                "sha256": target.sha256,
            }
            registry_log.append(self.log, "promote", target.number, reason, **facts)
            return self.version(version)

    def rollback(self, to: int | None = None, reason: str = "") -> Version:
        """Goes back to an earlier champion and blocks the content of the present one.

        Afterwards ``previous`` is the champion before the one that serves now and never the one
        that was rolled back: consumers fall back to it.

        Args:
            to: Number of the version; None: the previous champion.
            reason: In a sentence.

        Raises:
            UserError: There is nothing to go back to, its bundle is damaged, or MLflow is not
                there.
            SystemExit: With code 75: another run of the problem is going on.
        """
        with problem_lock(self.project, self.problem, "wenliu rollback"):
            champion, target = self.rollback_target(to)
            self.fill(target)
            # Cut off after this, the champion is blocked, which the next start sees and undoes.
            registry_tags.block(self.store, champion, reason)
            # The champion first: cut off here, 'previous' is the champion, which shows.
            self._crown(target, reason, unblock=ROLLED_BACK in target.tags)
            self._name_previous(self.champion_before(target))
            facts = {"before": champion.number, "sha256": target.sha256}
            registry_log.append(self.log, "rollback", target.number, reason, **facts)
            return self.version(target.number)

    def reconcile(self) -> list[str]:
        """Makes links and tags follow the aliases: :func:`wenliu.reconciliation.reconcile`."""
        return reconcile(self)

    def fill(self, version: Version) -> Path:
        """The verified copy of a version's bundle under ``champions/``.

        Raises:
            UserError: Neither this machine nor the registry has it undamaged.
        """
        return self.folders.fill(
            version.number, version.sha256, lambda: self.store.download(version.number)
        )

    def show_previous(self, version: Version | None) -> bool:
        """Makes the link 'previous' lead to a version; whether that was new.

        A bundle that is lost leaves no link: nobody falls back to it, and no promotion waits.
        """
        try:
            return self.follow(PREVIOUS, version)
        except (UserError, OSError) as error:
            logging.getLogger(__name__).warning("There is no folder 'previous': %s", error)
            self.folders.show(PREVIOUS, None)
            return False

    def follow(self, name: str, version: Version | None) -> bool:
        """Makes a link lead to a version; whether that was new."""
        before = self.folders.shown(name)
        if version is not None:
            self.fill(version)
        self.folders.show(name, version.number if version else None)
        return before != self.folders.shown(name)

    def champion_before(self, champion: Version) -> Version | None:
        """Who was promoted last of all others that were not rolled back."""
        others = registry_tags.promoted(self.versions())
        return next((one for one in others if one.number != champion.number), None)

    def delete(self, version: int) -> None:
        """Deletes a version that no alias names: MLflow would drop the alias without a word.

        Raises:
            UserError: An alias names it.
        """
        aliases = self.store.aliases()
        if names := [name for name, number in aliases.items() if number == version]:
            raise UserError(
                f"Version {version} is the {' and the '.join(names)}: it is not deleted.",
                where=f"MLflow model {self.problem!r}",
                remedy="promote another one first: wenliu promote VERSION --reason WHY",
            )
        self.store.delete(version)
        registry_log.append(self.log, "delete", version, "nobody needs it any more")

    def _called(self, alias: str) -> Version | None:
        number = self.store.aliases().get(alias)
        return None if number is None else self.version(number)

    def rollback_target(self, to: int | None = None) -> tuple[Version, Version]:
        """The champion, and the version that a rollback would put in its place.

        Raises:
            UserError: There is no champion, or nothing to go back to.
        """
        champion = self.champion()
        if champion is None:
            raise UserError(
                f"The problem {self.problem!r} has no champion to roll back.",
                where=self.store.uri,
                remedy="promote a version: wenliu promote VERSION --reason WHY",
            )
        target = self.version(to) if to is not None else self.previous()
        if target is not None and target.number != champion.number:
            return champion, target
        others = [str(one.number) for one in self.versions() if one.number != champion.number]
        raise UserError(
            f"There is no champion before version {champion.number}."
            if to is None
            else f"Version {to} is the champion already.",
            where=self.store.uri,
            remedy=f"name another version with --to: {', '.join(others[:10])}"
            if others
            else "there is no other version: train one with kedro run",
        )

    def _crown(self, version: Version, reason: str, unblock: bool) -> None:
        """Makes a version the champion, then what says so: only who has served may be 'previous'.

        Cut off after the alias, the next start does the rest (:meth:`reconcile`).
        """
        self.store.set_alias(CHAMPION, version.number)
        self.folders.show(CHAMPION, version.number)
        registry_tags.mark_promoted(self.store, version, reason)
        if unblock:  # somebody has chosen it, perhaps again
            registry_tags.unblock(self.store, version)
        if self.store.aliases().get(CHALLENGER) == version.number:
            self.store.set_alias(CHALLENGER, None)

    def _name_previous(self, version: Version | None) -> None:
        self.store.set_alias(PREVIOUS, version.number if version else None)
        self.show_previous(version)
