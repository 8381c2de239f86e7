"""Token ids, pairs and offsets, beside tokenizers, transformers and flash-tokenizer. The bar is 20.

    python -m benchmarks.tokenize

Every row of every input is first compared with what the real tokenizer says: ids, the characters
that each token covers, and pairs cut to 128 tokens. Then three states of ours are timed:

- *warm*: has read these rows before;
- *half seen*: has read every other row, and is timed on the rest;
- *cold*: just made, which is timed too.

All on one core.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import INPUTS, ROOT, ROUNDS, Comparison, interleave, texts_of
from wenliu.text.encoding import encode, encode_pairs
from wenliu.text.fast_tokenizer import FastTokenizer
from wenliu.text.vocabulary import build_character_tokenizer, wordpiece_tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

RANDOM_ROWS = 100_000
PAIR_LENGTH = 128
#: Nothing is cut: no row is that long.
UNCUT = 1_000_000


def main() -> None:
    """Compares the tokens, then the times, on every input."""
    for name, value in (("RAYON_NUM_THREADS", "1"), ("TOKENIZERS_PARALLELISM", "false")):
        os.environ[name] = value  # before tokenizers is imported
    plain, vocabulary = _tokenizer()
    result = Comparison(
        "tokenize",
        f"ChnSentiCorp, titles, medical answers, 100 k random Unicode rows; {vocabulary}; one core",
        ("tokenizers", "transformers", "flash-tokenizer"),
    )
    peers = _peers(plain)
    for name in INPUTS:
        texts = texts_of(name)[0]
        pairs = list(zip(texts, texts[1:] + texts[:1], strict=True))
        warm = FastTokenizer(plain)
        _compare(result, name, plain, warm, texts, pairs)
        for peer in ("transformers", "flash-tokenizer"):
            expected = [row.ids for row in plain.encode_batch(texts)]
            different = sum(a != b for a, b in zip(peers[peer](texts), expected, strict=True))
            result.agree(f"rows of {peer} with encode_batch@{name}", len(texts), different)
        _time(result, name, plain, warm, texts, pairs, peers)
    texts = _random_rows()
    pairs = list(zip(texts, texts[1:] + texts[:1], strict=True))
    _compare(result, "random", plain, FastTokenizer(plain), texts, pairs)
    _time_random(result, plain, texts)
    result.notes += [
        "wenliu: encode, which gives flat arrays with [CLS] and [SEP]; with offsets: tokenize(spans"
        f"=True); pairs: encode_pairs to {PAIR_LENGTH} tokens, offsets and token types included.",
        "encode_batch and encode_batch_fast are timed without reading any ids out of the objects "
        "they return; transformers: PreTrainedTokenizerFast without masks and token types, lists "
        "of ids; flash-tokenizer: do_not_pad, do_multiprocess=False, lists of ids, no offsets.",
        "RAYON_NUM_THREADS=1 and TOKENIZERS_PARALLELISM=false: one core for everybody. Ours has no "
        "threads; it asks tokenizers only about what it has not met.",
        f"Of the {RANDOM_ROWS:,} random rows each brings four runs that never were: more than are "
        "remembered, so even rows read before are asked about again. The bar of 20 is not reached "
        "there and cannot be by remembering; what is met is equality.",
    ]
    result.finish()


def _compare(
    result: Comparison,
    name: str,
    plain: Tokenizer,
    ours: FastTokenizer,
    texts: list[str],
    pairs: list[tuple[str, str]],
) -> None:
    """Holds ids, offsets, pairs and token types against the real tokenizer, row by row."""
    found = ours.tokenize(texts, spans=True)
    assert found.spans is not None
    different = sum(
        row.ids != found.ids[start:end].tolist()
        or row.offsets != list(map(tuple, found.spans[start:end].tolist()))
        for row, (start, end) in zip(
            _in_parts(lambda part: plain.encode_batch(part, add_special_tokens=False), texts),
            pairwise(found.offsets.tolist()),
            strict=True,
        )
    )
    result.agree(f"rows, ids and offsets@{name}", len(texts), different)
    paired = encode_pairs(ours, *map(list, zip(*pairs, strict=True)), PAIR_LENGTH)
    plain.enable_truncation(PAIR_LENGTH, strategy="longest_first")
    different = sum(
        row.ids != paired.ids[start:end].tolist()
        or row.type_ids != paired.token_types[start:end].tolist()
        or row.offsets != list(map(tuple, paired.spans[start:end].tolist()))
        for row, (start, end) in zip(
            _in_parts(plain.encode_batch, pairs), pairwise(paired.offsets.tolist()), strict=True
        )
    )
    plain.no_truncation()
    result.agree(f"pairs@{name}", len(pairs), different)


def _time(
    result: Comparison,
    name: str,
    plain: Tokenizer,
    warm: FastTokenizer,
    texts: list[str],
    pairs: list[tuple[str, str]],
    peers: dict[str, Callable[[list[str]], Any]],
) -> None:
    """Rounds of every system on one input, and the ratios."""
    firsts, seconds = (list(side) for side in zip(*pairs, strict=True))
    seen, unseen = texts[::2], texts[1::2]
    half_seen = [FastTokenizer(plain) for _ in range(ROUNDS)]
    for tokenizer in half_seen:
        encode(tokenizer, seen, UNCUT)
    pair_peer = wordpiece_tokenizer(_tokens(plain), plain.normalizer.lowercase)
    pair_peer.enable_truncation(PAIR_LENGTH, strategy="longest_first")
    characters = dict.fromkeys(("pairs: wenliu", "pairs: encode_batch"), 2 * sum(map(len, texts)))
    characters["wenliu half seen"] = sum(map(len, unseen))
    times = interleave(
        {
            "wenliu": lambda: encode(warm, texts, UNCUT),
            "wenliu half seen": lambda: encode(half_seen.pop(), unseen, UNCUT),
            "wenliu cold": lambda: encode(FastTokenizer(plain), texts, UNCUT),
            "wenliu with offsets": lambda: warm.tokenize(texts, spans=True),
            **{peer: lambda run=run: run(texts) for peer, run in peers.items()},
            "pairs: wenliu": lambda: encode_pairs(warm, firsts, seconds, PAIR_LENGTH),
            "pairs: encode_batch": lambda: pair_peer.encode_batch(pairs),
        }
    )
    total = sum(map(len, texts))
    medians = {
        system: result.add(
            f"{system}@{name}",
            [characters.get(system, total) / second / 1e6 for second in values],
            "M chars/s",
        )
        for system, values in times.items()
    }
    for peer in peers:
        result.ratio(peer, name, medians["wenliu"] / medians[peer])
    for state in ("half seen", "cold", "with offsets"):
        ratio = medians[f"wenliu {state}"] / medians["encode_batch"]
        result.ratio(f"encode_batch, ours {state}", name, ratio)
    ratio = medians["pairs: wenliu"] / medians["pairs: encode_batch"]
    result.ratio("encode_batch of pairs", name, ratio)


def _time_random(result: Comparison, plain: Tokenizer, texts: list[str]) -> None:
    """Rows whose runs hardly repeat, more than are remembered: the worst there is for us."""
    characters = sum(map(len, texts))
    warm = FastTokenizer(plain)
    encode(warm, texts, UNCUT)
    times = interleave(
        {
            "wenliu": lambda: encode(warm, texts, UNCUT),
            "wenliu cold": lambda: encode(FastTokenizer(plain), texts, UNCUT),
            "encode_batch": lambda: plain.encode_batch(texts),
        }
    )
    warm_rate, cold, peer = (
        result.add(f"{system}@random", [characters / s / 1e6 for s in values], "M chars/s")
        for system, values in times.items()
    )
    result.ratio("encode_batch", "random", warm_rate / peer)
    result.ratio("encode_batch, ours cold", "random", cold / peer)


def _tokenizer() -> tuple[Tokenizer, str]:
    """The real tokenizer, and its vocabulary in words."""
    if folder := os.environ.get("WENLIU_BENCH_DATA"):
        path = Path(folder, "vocab/bert-base-chinese.vocab.txt")
        tokens = path.read_text("utf-8").rstrip("\n").split("\n")
        return wordpiece_tokenizer(tokens, lowercase=True), "vocabulary of bert-base-chinese"
    messages = [
        json.loads(line)["text"]
        for path in sorted((ROOT / "data/00_written/feedback_topics").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    return build_character_tokenizer(messages), "characters of the bundled messages"


def _tokens(plain: Tokenizer) -> list[str]:
    """The vocabulary in the order of its ids."""
    return sorted(plain.get_vocab(), key=plain.token_to_id)


def _peers(plain: Tokenizer) -> dict[str, Callable[[list[str]], Any]]:
    from flash_tokenizer import BertTokenizerFlash
    from transformers import PreTrainedTokenizerFast

    wrapper = PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        pad_token="[PAD]", mask_token="[MASK]",
    )  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(_tokens(plain)) + "\n")
        file.flush()
        flash = BertTokenizerFlash(file.name, do_lower_case=True, model_max_length=UNCUT)
    return {
        "encode_batch": plain.encode_batch,
        "encode_batch_fast": plain.encode_batch_fast,
        "transformers": lambda texts: wrapper(
            texts, return_attention_mask=False, return_token_type_ids=False
        )["input_ids"],
        "flash-tokenizer": lambda texts: flash(
            texts, padding="do_not_pad", max_length=UNCUT, do_multiprocess=False,
            return_attention_mask=False, return_token_type_ids=False,
        ).input_ids,
    }  # fmt: skip


def _in_parts(run: Callable[[list[Any]], list[Encoding]], rows: list[Any]) -> Any:
    """What ``run`` gives for each row, without all of its objects in memory at once."""
    for start in range(0, len(rows), 2_000):
        yield from run(rows[start : start + 2_000])


def _random_rows() -> list[str]:
    """Rows of 1 to 40 code points: of all planes, of the first plane, and of everyday text."""
    dice = random.Random(3)
    blocks = ((0, 0x10FFFF), (0, 0xFFFF), (0x4E00, 0x9FA5), (0x20, 0x7E), (0x300, 0x36F))
    kept = (chr(dice.randint(*dice.choice(blocks))) for _ in iter(int, 1))
    signs = (sign for sign in kept if not "\ud800" <= sign <= "\udfff")
    return ["".join(next(signs) for _ in range(dice.randint(1, 40))) for _ in range(RANDOM_ROWS)]


if __name__ == "__main__":
    main()
