"""What ``auto`` means in the finetuning parameters."""

from __future__ import annotations

from typing import Any

from wenliu.params import FinetuningParams
from wenliu.training.settings import FitSettings

#: From random weights: a thousand rows want some twenty epochs, more overfit; larger data want
#: fewer, and two cores do about 20,000 tokens a second with the default size.
SCRATCH_TOKENS_SEEN = 2_000_000
SCRATCH_EPOCHS = (5, 20)
CHECKPOINT_EPOCHS = 4  # Devlin et al. 2019 try 2 to 4


def resolve_settings(
    params: FinetuningParams,
    checkpoint_profile: dict[str, Any],
    tokens: int,
    seed: int,
    precision: str,
) -> FitSettings:
    """The settings of the loop, with every ``auto`` replaced.

    Args:
        params: As they stand in the parameters file.
        checkpoint_profile: Whether there is a checkpoint, and the doctor's learning rate.
        tokens: Of all training rows.
        seed: Of batches and dropout.
        precision: ``fp32`` or ``bf16``.
    """
    if checkpoint_profile["path"] is None:
        fewest, most = SCRATCH_EPOCHS
        epochs = max(fewest, min(most, SCRATCH_TOKENS_SEEN // max(1, tokens)))
        found: dict[str, Any] = {"epochs": epochs, "label_smoothing": 0.1, "token_dropout": 0.2}
    else:
        found = {"epochs": CHECKPOINT_EPOCHS, "label_smoothing": 0.0, "token_dropout": 0.0}
    found["learning_rate"] = checkpoint_profile["learning_rate"]
    given = params.model_dump(exclude={"processes"})
    resolved = {name: found[name] for name in found if given[name] == "auto"}
    return FitSettings(**{**given, **resolved, "seed": seed, "precision": precision})
