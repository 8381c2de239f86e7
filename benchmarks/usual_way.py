"""What a project without this one would write: pandas or datasets, regular expressions, jieba."""

from __future__ import annotations

import html
import json
import logging
import re
import time
import warnings
from collections.abc import Callable
from typing import Any

from wenliu.text.rules import compact
from wenliu.text.settings import TextSettings


class Peers:
    """What a project without this one would write."""

    def __init__(self, settings: TextSettings, tokenizer: dict[str, Any], max_length: int) -> None:
        from transformers import PreTrainedTokenizerFast

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import jieba
        jieba.setLogLevel(logging.ERROR)
        jieba.initialize()
        self.cut = jieba.lcut
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=_plain(tokenizer), cls_token="[CLS]", sep_token="[SEP]"
        )
        self.max_length = max_length
        self.clean = _cleaner(settings)

    def columns(self, batch: dict[str, list[str]]) -> dict[str, list]:
        """A batch as ``datasets.map`` gives it."""
        texts = [self.clean(text) for text in batch["text"]]
        return {"clean_text": texts, "words": list(map(self.cut, texts)), "ids": self.encode(texts)}

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids by the wrapper of transformers."""
        found = self.tokenizer(
            texts,
            truncation=True,
            max_length=self.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids: list[list[int]] = found["input_ids"]
        return ids

    def by_pandas(self, texts: list[str]) -> Any:
        """A column at a time with ``apply``."""
        import pandas as pd

        frame = pd.DataFrame({"text": texts})
        frame["clean_text"] = frame["text"].apply(self.clean)
        frame["words"] = frame["clean_text"].apply(self.cut)
        frame["ids"] = self.encode(frame["clean_text"].tolist())
        return frame

    def by_datasets(self, data: Any, processes: int | None) -> Any:
        """``map`` in batches, nothing cached, no fingerprint to be computed."""
        return data.map(
            self.columns,
            batched=True,
            num_proc=processes,
            load_from_cache_file=False,
            keep_in_memory=processes is None,
            new_fingerprint=f"run{time.monotonic_ns()}",
        )


def _plain(tokenizer: dict[str, Any]) -> Any:
    """The tokenizer itself, special tokens written out staying text."""
    from tokenizers import Tokenizer

    plain = Tokenizer.from_str(json.dumps(tokenizer, ensure_ascii=False))
    plain.encode_special_tokens = True
    return plain


def _cleaner(settings: TextSettings) -> Callable[[str], str]:
    """The rules as anybody would write them."""
    unseen = re.compile(
        "[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
    )
    wide = {0x3000: 0x20, **{c: c - 0xFEE0 for c in map(ord, "０１２３４５６７８９")}}
    wide |= {c: c - 0xFEE0 for c in (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
    tag = re.compile(
        r"</?(?:br|p|div|span|a|b|i|font|img|li|ul|td|tr|table)\b[^<>]*>|<!--.*?-->", re.I
    )
    landline = r"0\d{2,3}-?\d{7,8}|[48]00-?\d{3}-?\d{4}"
    masks = [
        (re.compile(r"(?:https?://|www\.)[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.I), "urls"),
        (re.compile(r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.I), "emails"),
        (re.compile(r"(?<![a-z0-9])@[\w-]{2,30}", re.I), "mentions"),
        (re.compile(rf"(?<!\d)(?:1[3-9]\d{{9}}|{landline})(?!\d)"), "phones"),
        (re.compile(r"(?<!\d)[1-9]\d{16}[\dxX](?!\d)"), "id_numbers"),
    ]  # fmt: skip
    folds = str.maketrans(dict(settings.punctuation))
    single = compact("".join(sign for sign in settings.emoji if len(sign) == 1))
    joint = "|".join(re.escape(sign) for sign in settings.emoji if len(sign) > 1)
    emoji = re.compile(f"{joint}|[{single}]" if settings.emoji else "(?!)")
    repeats, blanks = re.compile(r"([^\d\s])\1{3,}"), re.compile(r"\s+")

    def clean(text: str) -> str:
        text = unseen.sub("", text).translate(wide)
        text = tag.sub(" ", html.unescape(text))
        for pattern, name in masks:
            text = pattern.sub(settings.masks[name], text)
        text = repeats.sub(r"\1\1\1", text.translate(folds).lower())
        text = emoji.sub(lambda match: settings.emoji[match[0]], text)
        return blanks.sub(" ", text).strip()

    return clean
