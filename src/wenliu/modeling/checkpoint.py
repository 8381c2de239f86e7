"""Where a checkpoint comes from: a folder, or a hub that may be far away or not there at all.

Only safetensors are read, never ``pytorch_model.bin`` (a pickle), and a configuration that names
code of its own is refused.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from pathlib import Path

from wenliu.errors import UserError
from wenliu.modeling.choices import CheckpointChoice
from wenliu.modeling.hub import check_weights, download
from wenliu.project import find_project

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
#: Keys of ``config.json`` by which transformers fetches or runs foreign code.
_CODE_KEYS = ("auto_map", "_attn_implementation_internal")


def resolve_checkpoint(params: CheckpointChoice) -> Path | None:
    """The folder of the checkpoint that ``model.checkpoint`` names.

    Args:
        params: ``checkpoint`` is ``scratch``, a folder (absolute, or relative to the working
            directory or the project), or a hub id such as ``bert-base-chinese``; ``revision`` is
            a branch, tag or commit of the hub.

    Returns:
        A folder with ``config.json``, a vocabulary and safetensors weights; ``None`` for
        ``scratch``.

    Raises:
        UserError: If it is not there, cannot be reached within 30 seconds, or is not safe to load.
    """
    name = params.checkpoint.strip()
    if name == "scratch":
        return None
    folder = _find_folder(name)
    if folder is None:
        if not _HUB_ID.fullmatch(name) or name.endswith((".json", ".bin", ".safetensors")):
            raise UserError(
                f"The checkpoint {name!r} is neither a folder that exists nor a hub id.",
                where="parameter model.checkpoint",
                remedy="Give scratch, a folder, or a hub id such as hfl/chinese-bert-wwm-ext.",
            )
        folder = download(name, params.revision)
    elif params.revision:
        logging.getLogger(__name__).warning(
            "model.revision is ignored: %s is a local folder.", folder
        )
    check_folder(folder, name)
    return folder


def check_folder(folder: Path, name: str) -> None:
    """Refuses a checkpoint folder that lacks a part or is not safe to load.

    Raises:
        UserError: Naming what is wrong with it.
    """
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise UserError("The checkpoint has no config.json.", where=name)
    check_weights(names, name)
    if not names & {"vocab.txt", "tokenizer.json"}:
        raise UserError(
            "The checkpoint has neither vocab.txt nor tokenizer.json.",
            where=name,
            remedy="Put the vocabulary that the weights were trained with beside them.",
        )
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"config.json is not JSON: {error}", where=name) from error
    found = [key for key in _CODE_KEYS if _has_key(config, key)]
    if found:
        raise UserError(
            f"config.json has {' and '.join(found)}: it would run code from the checkpoint.",
            where=name,
            remedy="Use a checkpoint of a stock BERT architecture.",
        )


def _find_folder(name: str) -> Path | None:
    path = Path(name).expanduser()
    bases = [Path.cwd()]
    with contextlib.suppress(UserError):  # outside of any project there is this one base
        bases.append(find_project())
    for base in bases:
        if (base / path).is_dir():
            return Path(os.path.abspath(base / path))  # noqa: PTH100 - keeps links as they are
    return None


def _has_key(value: object, key: str) -> bool:
    """Whether the key stands anywhere in a parsed JSON value."""
    if isinstance(value, dict):
        return key in value or any(_has_key(part, key) for part in value.values())
    return isinstance(value, list) and any(_has_key(part, key) for part in value)
