"""Numbers that are the same on every machine, every day, for the same text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np


def stable_fraction(key: str, salt: str) -> float:
    """Where ``key`` falls in [0, 1), evenly spread and independent of every other key.

    Args:
        key: What is placed; lone surrogates are allowed.
        salt: Another salt gives another, unrelated placing.
    """
    digest = blake2b(f"{salt}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # 53 bits are what a float holds: rounding a 64-bit fraction could give 1.0.
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def stable_fractions(keys: Sequence[str], salt: str) -> np.ndarray:
    """:func:`stable_fraction` of every key: ``(n,)`` float64."""
    salted = (f"{salt}\0{key}".encode("utf-8", "surrogatepass") for key in keys)
    joined = b"".join(blake2b(key, digest_size=8).digest() for key in salted)
    return (np.frombuffer(joined, ">u8") >> np.uint64(11)).astype(np.float64) / 2**53


def digests(texts: Iterable[str]) -> np.ndarray:
    """128 bits for each text: ``(n, 2)`` uint64.

    Equal digests are taken for equal texts: among a thousand million texts the chance of one wrong
    pair is 10**-21.
    """
    joined = b"".join(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(joined, np.dtype("<u8")).reshape(-1, 2)


def numbered(digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the distinct digests in the order in which they first occur.

    Args:
        digests: ``(n, 2)`` uint64.

    Returns:
        ``(n,)`` int64 number of each row, and the ``(distinct,)`` rows where each number stands
        first, ascending.
    """
    # Stable: the rows of one digest stay in order, so the first of a run is where it occurs first.
    order = np.argsort(digests[:, 0], kind="stable")
    run = digests[order]
    starts = np.ones(len(order), bool)
    starts[1:] = run[1:, 0] != run[:-1, 0]
    if (run[1:, 1] != run[:-1, 1])[~starts[1:]].any():  # different digests that begin alike
        order = np.lexsort((digests[:, 1], digests[:, 0]))
        run = digests[order]
        starts[1:] = (run[1:] != run[:-1]).any(axis=1)
    firsts = order[starts]
    by_occurrence = np.argsort(firsts)
    number = np.empty(len(firsts), np.int64)
    number[by_occurrence] = np.arange(len(firsts))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = number[np.cumsum(starts) - 1]
    return numbers, firsts[by_occurrence]
