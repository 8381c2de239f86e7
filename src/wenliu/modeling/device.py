"""Where the model runs and in which precision: found, not configured."""

from __future__ import annotations

import torch

from wenliu.errors import UserError
from wenliu.modeling.choices import DeviceChoice


def choose_device(params: DeviceChoice) -> torch.device:
    """The device of ``model.device``: see ``find_device``."""
    return find_device(params.device)


def find_device(wanted: str) -> torch.device:
    """The device of that name; ``auto`` prefers CUDA, then Apple's MPS, then the CPU.

    Raises:
        UserError: If the device asked for is not there, naming those that are.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(wanted)
    missing = (device.type == "cuda" and not _has_cuda(device)) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise UserError(
            f"The device {wanted!r} is not available to torch {torch.__version__}, which has "
            f"{', '.join(_available())}.",
            where="parameter model.device",
            remedy="Use auto or one of those, or install a torch build for this device.",
        )
    return device


def choose_precision(wanted: str, device: torch.device, hidden_size: int) -> str:
    """``fp32`` or ``bf16`` (autocast over fp32 weights).

    ``auto`` takes bf16 on CUDA cards that have it. On a CPU it takes bf16 for wide models where
    the processor multiplies bf16 by itself (emulated it is slower than fp32): a training step
    at width 768 took 1.8 s instead of 3.3 s on an AVX512-BF16 processor. Small models stay in
    fp32, where 1.4 times the speed saves seconds and costs the same results on every machine.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu" and hidden_size >= 512 and cpu_multiplies_bf16():
        return "bf16"
    return "fp32"


def cpu_multiplies_bf16() -> bool:
    """Whether this processor has AVX512-BF16 or AMX instructions that torch uses."""
    capabilities = torch.backends.cpu.get_cpu_capability()
    return capabilities == "AVX512" and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _available() -> list[str]:
    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    if torch.cuda.is_available():
        names += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return names


def _has_cuda(device: torch.device) -> bool:
    return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
