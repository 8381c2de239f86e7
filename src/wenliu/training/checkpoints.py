"""Training checkpoints on disk: each whole or absent, checked byte by byte before it is used.

    checkpoints/step-00000120/
        weights.safetensors, optimizer.safetensors, ...   tensors by name
        progress.json                                     numbers of the loop
        manifest.json                                     whose it is, sha256 of every file

A folder is written beside, flushed to the disk and renamed, and the two newest are kept: one that
the disk has lost a byte of is passed over for the one before. Nothing is pickled.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from wenliu.disk import sha256_of, write_folder
from wenliu.training.failures import writing

#: The newest may be damaged; two at once are bad luck that no number would rule out.
KEPT = 2
MANIFEST = "manifest.json"

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """One that was found whole.

    Attributes:
        folder: Where its files are.
        progress: What was given as such.
        best: Name of the folder of the best model by then, if there was one.
    """

    folder: Path
    progress: dict[str, Any]
    best: str | None

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors that were written under this name."""
        return load_file(self.folder / f"{name}.safetensors")


class Checkpoints:
    """The checkpoints of one fit.

    Args:
        workspace: Folder of the fit; the best model's folder lies in it too.
        identity: Hash of all that the fit depends on. A checkpoint of another is never used.
    """

    def __init__(self, workspace: Path, identity: str) -> None:
        self.workspace, self.identity = workspace, identity
        self.folder = workspace / "checkpoints"
        self._checksums: dict[str, dict[str, str]] = {}  # of the best model, which never changes

    def write(
        self, step: int, tensors: Mapping[str, Tensors], progress: dict[str, Any], best: str | None
    ) -> None:
        """Writes a checkpoint and deletes all but the two newest.

        Args:
            step: Names it.
            tensors: File name to tensors by name.
            progress: Anything that JSON can hold; numbers come back as they were.
            best: Name of the folder in the workspace that this checkpoint needs.

        Raises:
            UserError: The disk is full, or fails; the checkpoints before are as they were.
        """

        def write(folder: Path) -> None:
            for name, group in tensors.items():
                save_file(dict(group), folder / f"{name}.safetensors")
            (folder / "progress.json").write_text(json.dumps(progress), "utf-8")
            manifest = {
                "identity": self.identity,
                "best": best,
                "files": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
                "best_files": self._best_files(best),
            }
            (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")

        with writing(f"The checkpoint of step {step}", self.folder):
            write_folder(self.folder / f"step-{step:08d}", write)
        for older in self._newest_first()[KEPT:]:
            shutil.rmtree(older)

    def newest(self) -> Checkpoint | None:
        """The newest that is whole and of this fit; what is newer and is not goes.

        So does what was not written to its end: nobody would come back to that step.
        """
        for partial in self.folder.glob(".step-*.partial"):
            shutil.rmtree(partial, ignore_errors=True)
        for folder in self._newest_first():
            try:
                return self._opened(folder)
            except (OSError, ValueError, KeyError) as error:
                logging.getLogger(__name__).warning(
                    "The checkpoint %s is not used: %s.", folder.name, error
                )
                shutil.rmtree(folder, ignore_errors=True)
        return None

    def needed(self) -> set[str]:
        """Names of the best models' folders that checkpoints refer to."""
        found = set()
        for folder in self._newest_first():
            try:
                found.add(json.loads((folder / MANIFEST).read_text("utf-8"))["best"])
            except (OSError, ValueError, KeyError):
                continue  # damaged: it will not be used
        return {name for name in found if name}

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _opened(self, folder: Path) -> Checkpoint:
        """Raises ValueError, KeyError or OSError where a file is not what was written."""
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["identity"] != self.identity:
            raise ValueError("it is of other data, settings, code or processes")
        best = manifest["best"]
        for place, files in (
            (folder, manifest["files"]),
            (self.workspace / (best or ""), manifest["best_files"]),
        ):
            for name, expected in files.items():
                if sha256_of(place / name) != expected:
                    raise ValueError(f"{place.name}/{name} is damaged")
        progress = json.loads((folder / "progress.json").read_text("utf-8"))
        return Checkpoint(folder, progress, best)

    def _best_files(self, best: str | None) -> dict[str, str]:
        if best is None:
            return {}
        if best not in self._checksums:
            paths = sorted((self.workspace / best).iterdir())
            self._checksums = {best: {path.name: sha256_of(path) for path in paths}}
        return self._checksums[best]
