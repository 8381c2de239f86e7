"""The checkpoint doctor: what a checkpoint says of itself against what its files show.

Chinese checkpoints are known to be wrong about themselves: bert-base-chinese declares that case
matters while its vocabulary has no capital letter (transformers#9286, #14990), and
hfl/chinese-roberta-wwm-ext calls itself RoBERTa while its weights are BERT's. Only headers and
vocabulary are read here; no weight is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wenliu.errors import UserError
from wenliu.modeling.choices import ModelChoice
from wenliu.text.settings import fold_punctuation
from wenliu.text.vocabulary import SPECIAL_TOKENS

#: Chinese typesetting that vocabularies often lack; what stands for it is cleaning's business.
_TYPESETTING = "“”‘’…—―–"
#: Frequent characters that exist in traditional writing only.
TRADITIONAL = "們這個來說時會對沒後還為學電話機車東問題開關買賣"

_LEARNING_RATES = ((30_000_000, 1e-4), (150_000_000, 3e-5))  # up to so many weights
_LARGE_LEARNING_RATE = 1e-5
_SCRATCH_LEARNING_RATE = 1e-3


def examine(path: Path | None, params: ModelChoice) -> dict[str, Any]:
    """The ``checkpoint_profile``: what the later stages need to know, and what was found.

    Args:
        path: From ``resolve_checkpoint``; ``None`` for ``scratch``.
        params: What was asked for.

    Raises:
        UserError: If the checkpoint is not of the BERT family, or its parts do not fit.
    """
    if path is None:
        return _scratch_profile(params)
    config = json.loads((path / "config.json").read_text("utf-8"))
    tokens, vocab_file = _read_vocabulary(path)
    weights = _weights(path)
    findings: list[str] = []
    _check_class(config, weights, path, findings)
    declared = _declared_lowercase(path)
    lowercase = _has_no_capitals(tokens)
    _explain_casing(declared, lowercase, findings)
    vocabulary = set(tokens)
    lacks = _lacking_punctuation(vocabulary)
    if lacks:
        findings.append(
            f"The vocabulary lacks {' '.join(lacks)}: they are [UNK] unless cleaning replaces them."
        )
    traditional = sum(c in vocabulary for c in TRADITIONAL) >= 0.9 * len(TRADITIONAL)
    if not traditional:
        findings.append("The vocabulary does not know traditional characters.")
    has_head = any(name.startswith("cls.predictions.") for name in weights)
    if not has_head:
        findings.append("There is no masked-language-model head; fine-tuning does not need one.")
    size = sum(weights.values())
    _check_size(config, tokens, path)
    return {
        "source": params.checkpoint,
        "revision": params.revision,
        "path": str(path),
        "model_class": "bert",
        "vocab_size": len(tokens),
        "vocab_sha256": hashlib.sha256("\n".join(tokens).encode()).hexdigest(),
        "lowercase": lowercase,
        "declared_lowercase": declared,
        "max_positions": int(config.get("max_position_embeddings", 512)),
        "has_mlm_head": has_head,
        "parameters": size,
        "hidden_size": int(config["hidden_size"]),
        "layers": int(config["num_hidden_layers"]),
        "learning_rate": _advise_learning_rate(size),
        "vocabulary_lacks": {"punctuation": lacks},
        "knows_traditional": traditional,
        "vocab_file": str(vocab_file),
        "findings": findings,
    }


def vocabulary_of(profile: Mapping[str, Any]) -> set[str] | None:
    """The tokens of the checkpoint; ``None`` for a scratch model, which has none yet."""
    if profile["path"] is None:
        return None
    return set(_read_vocabulary(Path(profile["path"]))[0])


def vocabulary_list(profile: Mapping[str, Any]) -> list[str]:
    """The tokens of the checkpoint in the order of their ids."""
    return _read_vocabulary(Path(profile["path"]))[0]


def _scratch_profile(params: ModelChoice) -> dict[str, Any]:
    return {
        "source": "scratch",
        "revision": None,
        "path": None,
        "model_class": "bert",
        "vocab_size": None,
        "vocab_sha256": None,
        "lowercase": True,
        "declared_lowercase": None,
        "max_positions": params.scratch.max_positions,
        "has_mlm_head": None,
        "parameters": None,
        "hidden_size": params.scratch.hidden_size,
        "layers": params.scratch.layers,
        "learning_rate": _SCRATCH_LEARNING_RATE,
        "vocabulary_lacks": {"punctuation": _lacking_punctuation(None)},
        "knows_traditional": False,
        "vocab_file": None,
        "findings": [
            "No checkpoint: a small model is trained from random weights, with the characters of "
            "the training rows as its vocabulary."
        ],
    }


def _read_vocabulary(path: Path) -> tuple[list[str], Path]:
    """Tokens by id: from ``vocab.txt``, else from a WordPiece ``tokenizer.json``."""
    file = path / "vocab.txt"
    if file.is_file():
        tokens = file.read_text("utf-8").removesuffix("\n").split("\n")
        tokens = [token.rstrip("\r") for token in tokens]
    else:
        file = path / "tokenizer.json"
        model = json.loads(file.read_text("utf-8")).get("model", {})
        if model.get("type") != "WordPiece":
            raise UserError(
                f"The tokenizer is {model.get('type')}, not BERT's WordPiece.",
                where=str(file),
                remedy="Use a checkpoint of the BERT family.",
            )
        by_token: dict[str, int] = model["vocab"]
        tokens = sorted(by_token, key=by_token.__getitem__)
    missing = [token for token in SPECIAL_TOKENS if token not in tokens]
    if missing:
        raise UserError(f"The vocabulary lacks {', '.join(missing)}.", where=str(file))
    return tokens, file


def _weights(path: Path) -> dict[str, int]:
    """Name and number of elements of every tensor, from the headers of the weight files."""
    from safetensors import SafetensorError, safe_open

    sizes: dict[str, int] = {}
    for file in sorted(path.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    shape = tensors.get_slice(name).get_shape()
                    size = 1
                    for length in shape:
                        size *= length
                    sizes[name] = size
        except SafetensorError as error:
            raise UserError(
                f"The weights cannot be read: {error}",
                where=str(file),
                remedy="The file may be cut short: download or copy it again.",
            ) from error
    return sizes


def _check_class(
    config: Mapping[str, Any], weights: Mapping[str, int], path: Path, findings: list[str]
) -> None:
    """Decides by the weights' names whether BERT's classes can load them."""
    declared = config.get("model_type") or "bert"
    names = ", ".join(config.get("architectures") or [])
    is_bert = any(
        name.removeprefix("bert.").startswith("embeddings.word_embeddings") for name in weights
    ) and any("attention.self.query" in name for name in weights)
    foreign = sorted({name.split(".")[0] for name in weights})
    if not is_bert or (declared not in ("bert", "roberta") and "bert" not in foreign):
        raise UserError(
            f"The weights are not BERT's (model type {declared}, weights of {foreign[:3]}).",
            where=str(path),
            remedy="Use a checkpoint of the BERT family: BERT, BERT-wwm, RoBERTa-wwm, MacBERT.",
        )
    if declared != "bert" or "Roberta" in names or "roberta" in path.name.lower():
        findings.append(
            f"It calls itself RoBERTa (model type {declared}), its weights and vocabulary are "
            "BERT's: it is loaded by BERT's classes."
        )


def _check_size(config: Mapping[str, Any], tokens: list[str], path: Path) -> None:
    rows = int(config.get("vocab_size", len(tokens)))
    if len(tokens) > rows:
        raise UserError(
            f"The vocabulary has {len(tokens)} tokens, the weights only {rows}.",
            where=str(path),
            remedy="Take vocabulary and weights from the same checkpoint.",
        )


def _declared_lowercase(path: Path) -> bool | None:
    file = path / "tokenizer_config.json"
    if file.is_file():
        declared = json.loads(file.read_text("utf-8")).get("do_lower_case")
        if declared is not None:
            return bool(declared)
    file = path / "tokenizer.json"
    if file.is_file():
        declared = (json.loads(file.read_text("utf-8")).get("normalizer") or {}).get("lowercase")
        return None if declared is None else bool(declared)
    return None


def _has_no_capitals(tokens: list[str]) -> bool:
    words = (token.removeprefix("##") for token in tokens)  # [CLS] and <S> are no words
    return not any(word.isalpha() and any("A" <= c <= "Z" for c in word) for word in words)


def _explain_casing(declared: bool | None, lowercase: bool, findings: list[str]) -> None:
    if declared is False and lowercase:
        findings.append(
            "It declares that case matters (do_lower_case: false), but its vocabulary has no "
            "capital letter: texts are lower-cased, otherwise iPhone and ABC would be [UNK]."
        )
    elif declared and not lowercase:
        findings.append(
            "It declares do_lower_case: true, but its vocabulary has capital letters: case is kept."
        )
    elif declared is None:
        findings.append(
            "It does not say whether case matters; its vocabulary says that it "
            + ("does not." if lowercase else "does.")
        )


def _lacking_punctuation(vocabulary: set[str] | None) -> dict[str, str]:
    """Each lacking character with its replacement; empty where nothing known stands for it."""
    folds = fold_punctuation(vocabulary)
    known = vocabulary or set()
    return {sign: folds.get(sign, "") for sign in _TYPESETTING if sign not in known}


def _advise_learning_rate(parameters: int) -> float:
    """Small models want about 1e-4, base models 2e-5 to 5e-5 (Turc et al. 2019; HFL)."""
    for limit, rate in _LEARNING_RATES:
        if parameters <= limit:
            return rate
    return _LARGE_LEARNING_RATE
