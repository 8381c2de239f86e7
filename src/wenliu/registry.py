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

from wenliu import clock, registry_log
from wenliu.champion_folder import ChampionFolder
from wenliu.errors import UserError
from wenliu.lock import problem_lock
from wenliu.model_store import ModelStore, Version
from wenliu.serving.locate import CHAMPION, PREVIOUS

CHALLENGER = "challenger"

#: Tags of a version.
GATE_SCORE, GATE_ROWS = "wenliu.gate_macro_f1", "wenliu.gate_rows"
PROMOTED, ROLLED_BACK, REASON = "wenliu.promoted_at", "wenliu.rolled_back", "wenliu.reason"
#: Tags of the model: content that was rolled back, and why.
_BLOCKED = "wenliu.blocked."


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
        return {
            key.removeprefix(_BLOCKED): reason
            for key, reason in self.store.model_tags().items()
            if key.startswith(_BLOCKED)
        }

    def best(self, rows: str | None = None) -> dict[str, Any] | None:
        """The best score of all versions that were promoted and not rolled back.

        Args:
            rows: Hash of the gate's rows: scores on others cannot be compared. None: the rows of
                the newest promotion.

        Returns:
            ``version``, ``gate_macro_f1`` and ``gate_rows``; None: the gate has promoted none.
        """
        scored = [one for one in self._promoted() if {GATE_SCORE, GATE_ROWS} <= one.tags.keys()]
        if rows is None and scored:
            rows = scored[0].tags[GATE_ROWS]
        scored = [one for one in scored if one.tags[GATE_ROWS] == rows]
        if not scored:
            return None
        best = max(scored, key=lambda one: float(one.tags[GATE_SCORE]))
        score = float(best.tags[GATE_SCORE])
        return {"version": best.number, "gate_macro_f1": score, "gate_rows": rows}

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
                self.folders.show(CHAMPION, target.number)
                return self.version(version)
            if decision is None:
                self._unblock(target)
            if champion is not None:
                self._name_previous(champion)
            self._crown(target, reason)
            registry_log.append(
                self.log,
                "promote",
                target.number,
                reason,
                by="hand" if decision is None else "gate",
                before=champion.number if champion else None,
                sha256=target.sha256,
            )
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
            self._block(champion, reason)
            # The champion first: cut off here, 'previous' is the champion, which shows.
            self._crown(target, reason)
            self._name_previous(self._champion_before(target))
            registry_log.append(
                self.log,
                "rollback",
                target.number,
                reason,
                before=champion.number,
                sha256=target.sha256,
            )
            return self.version(target.number)

    def reconcile(self) -> list[str]:
        """Makes the links on disk follow the aliases, whatever stopped a change before.

        Returns:
            What was done, a sentence each. What cannot be mended is a warning: the champion on disk
            goes on serving.
        """
        aliases = self.store.aliases()
        if CHAMPION not in aliases:
            if shown := self.folders.shown(CHAMPION):
                logging.getLogger(__name__).warning(
                    "MLflow names no champion of %s; %s goes on serving. wenliu promote puts a "
                    "version in its place.",
                    self.problem,
                    shown,
                )
            return []
        self.folders.sweep()
        done = []
        versions = {one.number: one for one in self.versions()}
        champion = versions[aliases[CHAMPION]]
        previous = versions.get(aliases.get(PREVIOUS, -1))
        if previous is not None and previous.number == champion.number:
            previous = self._champion_before(champion)
            self._name_previous(previous)
            done.append("a change that was cut off is complete: 'previous' is not the champion")
        for name, version in ((CHAMPION, champion), (PREVIOUS, previous)):
            try:
                if self._follow(name, version):
                    number = version.number if version else None
                    done.append(f"the folder '{name}' follows the registry to version {number}")
            except UserError as error:
                logging.getLogger(__name__).warning("The folder '%s' stays: %s", name, error)
        for sentence in done:
            registry_log.append(self.log, "reconcile", champion.number, sentence)
        return done

    def fill(self, version: Version) -> Path:
        """The verified copy of a version's bundle under ``champions/``.

        Raises:
            UserError: Neither this machine nor the registry has it undamaged.
        """
        return self.folders.fill(
            version.number, version.sha256, lambda: self.store.download(version.number)
        )

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

    def _promoted(self) -> list[Version]:
        """Versions that were champions and not rolled back, the one promoted last first."""
        found = (one for one in self.versions() if PROMOTED in one.tags)
        good = (one for one in found if ROLLED_BACK not in one.tags)
        return sorted(good, key=lambda one: (one.tags[PROMOTED], one.number), reverse=True)

    def _champion_before(self, champion: Version) -> Version | None:
        others = (one for one in self._promoted() if one.number != champion.number)
        return next(others, None)

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

    def _crown(self, version: Version, reason: str) -> None:
        promoted = clock.now().isoformat(timespec="microseconds")
        self.store.tag(version.number, {PROMOTED: promoted, REASON: reason[:5000]})
        self.store.set_alias(CHAMPION, version.number)
        if self.store.aliases().get(CHALLENGER) == version.number:
            self.store.set_alias(CHALLENGER, None)
        self.folders.show(CHAMPION, version.number)

    def _name_previous(self, version: Version | None) -> None:
        self.store.set_alias(PREVIOUS, version.number if version else None)
        self._follow(PREVIOUS, version)

    def _follow(self, name: str, version: Version | None) -> bool:
        """Makes a link lead to a version; whether that was new."""
        before = self.folders.shown(name)
        if version is not None:
            self.fill(version)
        self.folders.show(name, version.number if version else None)
        return before != self.folders.shown(name)

    def _block(self, version: Version, reason: str) -> None:
        """Its bundle, and its data with its configuration, are not promoted by themselves."""
        words = f"version {version.number} was rolled back: {reason}"[:5000]
        self.store.tag(version.number, {ROLLED_BACK: clock.now().isoformat(timespec="seconds")})
        self.store.tag_model({_BLOCKED + name: words for name in _names(version)})

    def _unblock(self, version: Version) -> None:
        blocked = self.blocked()
        if ROLLED_BACK in version.tags:
            self.store.tag(version.number, {ROLLED_BACK: None})
        self.store.tag_model({_BLOCKED + name: None for name in _names(version) if name in blocked})


def _names(version: Version) -> list[str]:
    return [name for name in (version.sha256, version.fingerprint) if name]
