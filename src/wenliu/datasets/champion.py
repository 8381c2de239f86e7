"""The champion as a dataset: load says who reigns, save does what the gate has decided."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from wenliu.champion_folder import LostBundle
from wenliu.datasets.commit import Lineage, digest_of
from wenliu.errors import UserError
from wenliu.model_store import Version
from wenliu.registry import Registry
from wenliu.registry_tags import GATE_ROWS, GATE_SCORE

#: Tag of the model: fingerprint of the last decision that was carried out, and who reigned then.
_DECIDED = "wenliu.decided"


class ChampionDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """The version of a problem's model that serves.

    Args:
        path: The project's root.
        problem: As in ``globals.yml``, and the model's name in the registry.
        metadata: For Kedro-Viz.

    Attributes:
        lineage: Set by the versions hook before the node runs.
    """

    #: Why the node that saves is not skipped.
    unsaved = "this decision is not carried out yet"

    def __init__(self, path: str, problem: str, metadata: dict[str, Any] | None = None) -> None:
        self._registry = Registry(Path(path), problem)
        self.metadata = metadata
        self.lineage = Lineage()

    def load(self) -> dict[str, Any]:
        """Who reigns, and what the gate must know about the past.

        Returns:
            ``version`` (None: MLflow names none), ``folder`` (the verified copy of its bundle),
            ``sha256``, ``labels``, ``best`` (version, gate_macro_f1 and gate_rows of the best that
            was promoted), ``blocked`` (content that was rolled back -> why) and ``reason``: why
            there is no folder to compare with although something serves, or served; empty
            otherwise.

        Raises:
            UserError: MLflow is not there.
        """
        champion = self._registry.champion()
        folder, reason = None, self._registry.lost_alias() or ""
        if champion is not None:
            try:
                folder = self._registry.fill(champion)
            except LostBundle as error:
                reason = error.found
        return {
            "version": champion.number if champion else None,
            "folder": folder,
            "sha256": champion.sha256 if champion else None,
            "labels": _labels(folder) if folder else [],
            "reason": reason,
            # Asked last: when MLflow went away while the bundle was looked for, this says so.
            "best": self._registry.best(),
            "blocked": self._registry.blocked(),
        }

    def save(self, data: dict[str, Any]) -> None:
        """Promotes the challenger, or notes that it was judged and stays what it is.

        Doing it twice changes nothing more: a run that is repeated promotes nothing again.

        Args:
            data: The gate's decision; of it ``decision``, ``unchanged``, ``reason``,
                ``challenger`` (``version``, ``sha256``) and the score on the gate's rows.

        Raises:
            UserError: The challenger's bundle is damaged, or MLflow is not there.
        """
        number = data["challenger"]["version"]
        if number is not None:  # else it was not registered: nothing to promote or to name
            self._carry_out(data, int(number))
            try:
                self._registry.store.tag_model({_DECIDED: self._decided(self.lineage)})
            except UserError as error:  # it is carried out; the next run does it again: no change
                logging.getLogger(__name__).warning("The decision is not noted: %s", error)

    def reuse(self, lineage: Lineage) -> bool:
        """Whether the decision with this lineage was carried out, and the champion stayed."""
        return self._registry.store.model_tags().get(_DECIDED) == self._decided(lineage)

    def _carry_out(self, data: dict[str, Any], number: int) -> None:
        challenger = self._registry.version(number)
        self._registry.store.tag(challenger.number, _verdict(data))
        champion = self._registry.champion()
        if data.get("unchanged") or (champion and champion.sha256 == challenger.sha256):
            return
        if data["decision"] != "promote":
            self._registry.set_challenger(challenger.number, data["reason"])
        elif why := self._registry.lost_alias() or self._blocked(challenger):
            logging.getLogger(__name__).warning(
                "Version %d is not promoted by itself: %s", challenger.number, why
            )
        else:
            self._registry.promote(challenger.number, data["reason"], data)

    def content(self) -> dict[str, Any]:
        """What :meth:`load` depends on, without the folder: a fingerprint's part."""
        champion = self._registry.champion()
        return {
            "champion": champion.sha256 if champion else None,
            "here": champion is not None and champion.folder is not None,
            "lost_alias": self._registry.lost_alias(),
            "best": self._registry.best(),
            "blocked": sorted(self._registry.blocked()),
        }

    def _decided(self, lineage: Lineage) -> str:
        champion = self._registry.store.aliases().get("champion")
        return f"{digest_of(lineage)} version {champion}"

    def _blocked(self, challenger: Version) -> str | None:
        blocked = self._registry.blocked()
        names = (challenger.sha256, challenger.fingerprint)
        return next((blocked[name] for name in names if name in blocked), None)

    def _exists(self) -> bool:
        return self._registry.champion() is not None

    def _describe(self) -> dict[str, Any]:
        return {"project": str(self._registry.project), "problem": self._registry.problem}


def _labels(bundle: Path) -> list[str]:
    labels: list[str] = json.loads((bundle / "labels.json").read_text("utf-8"))["labels"]
    return labels


def _verdict(decision: dict[str, Any]) -> dict[str, str]:
    """The decision as tags of the version that it is about."""
    gate = decision.get("gate") or {}
    score = (gate.get("challenger") or {}).get("macro_f1")
    tags = {}
    if not decision.get("unchanged"):  # what was decided about a champion stays its decision
        tags["wenliu.decision"] = f"{decision['decision']}: {decision['reason']}"[:5000]
    if score is not None and gate.get("rows_sha256"):
        tags |= {GATE_SCORE: repr(float(score)), GATE_ROWS: str(gate["rows_sha256"])}
    return tags
