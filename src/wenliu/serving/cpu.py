"""What the processor at hand can do."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path


def available_cores() -> int:
    """Cores this process may use: fewer than the machine's in a container or under taskset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_exact_int8() -> bool:
    """Whether products of 8-bit numbers are summed in 32 bits.

    An x86 processor without VNNI sums pairs of them in 16 bits, which saturates: a model quantised
    to the full 8 bits answers wrongly there, without an error.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "x86", "i386", "i686"):
        return True  # ARM and others sum in 32 bits
    return bool(_flags() & {"avx512_vnni", "avx_vnni"})


def has_bf16() -> bool:
    """Whether there are instructions for bfloat16: emulated, it would be slower than fp32."""
    return bool(_flags() & {"avx512_bf16", "amx_bf16"})


@cache
def _flags() -> frozenset[str]:
    try:
        info = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:  # not Linux: nothing is promised
        return frozenset()
    lines = (line for line in info.splitlines() if line.startswith("flags"))
    return frozenset(next(lines, "").split())
