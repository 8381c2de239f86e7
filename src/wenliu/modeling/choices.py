"""What this layer reads of the model parameters.

``wenliu.params`` belongs to the pipelines; these protocols let its frozen models through without
an import in the wrong direction.
"""

from __future__ import annotations

from typing import Protocol


class ScratchSize(Protocol):
    """Size of a BERT that is trained from random weights."""

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""

    @property
    def layers(self) -> int:
        """Number of encoder layers."""

    @property
    def heads(self) -> int:
        """Attention heads; they must divide ``hidden_size``."""

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward layers."""

    @property
    def max_positions(self) -> int:
        """Longest row in tokens."""

    @property
    def dropout(self) -> float:
        """Of hidden states and attention weights."""


class CheckpointChoice(Protocol):
    """Which checkpoint."""

    @property
    def checkpoint(self) -> str:
        """``scratch``, a folder or a hub id."""

    @property
    def revision(self) -> str | None:
        """Branch, tag or commit on the hub."""


class DeviceChoice(Protocol):
    """Where to compute."""

    @property
    def device(self) -> str:
        """A torch device, or ``auto``."""


class ModelChoice(CheckpointChoice, DeviceChoice, Protocol):
    """All of it."""

    @property
    def seed(self) -> int:
        """Of the random weights."""

    @property
    def scratch(self) -> ScratchSize:
        """Size of a model from scratch."""
