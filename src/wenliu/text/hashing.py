"""Numbers that are the same on every machine, every day, for the same text."""

from __future__ import annotations

from hashlib import blake2b


def stable_fraction(key: str, salt: str) -> float:
    """Where ``key`` falls in [0, 1), evenly spread and independent of every other key.

    Args:
        key: What is placed; lone surrogates are allowed.
        salt: Another salt gives another, unrelated placing.
    """
    digest = blake2b(f"{salt}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # 53 bits are what a float holds: rounding a 64-bit fraction could give 1.0.
    return (int.from_bytes(digest, "big") >> 11) / 2**53
