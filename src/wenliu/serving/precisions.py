"""Which engine computes, in which precision, from which files of a bundle.

The manifest's ``runtime.engines`` says, for every engine the bundle was measured with, which
precision was chosen and which others passed (``{"onnxruntime": {"chosen": "int8", "offered":
["fp32", "int8"], "exact_int8": true}}``). A bundle from before there was a choice is fp32 for
onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from wenliu.errors import UserError
from wenliu.serving.cpu import has_exact_int8
from wenliu.serving.engines import Engine, OnnxRuntimeEngine, OpenVinoEngine, has_openvino

EngineName = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]

MODEL = "model.onnx"
#: Files of each engine and precision. OpenVINO makes bf16 of fp32 as it compiles.
FILES: dict[tuple[EngineName, Precision], tuple[str, ...]] = {
    ("onnxruntime", "fp32"): (MODEL,),
    ("onnxruntime", "int8"): ("model.int8.onnx",),
    ("openvino", "fp32"): (MODEL,),
    ("openvino", "bf16"): (MODEL,),
    ("openvino", "int8"): ("model.int8.openvino.xml", "model.int8.openvino.bin"),
}
_BEFORE = {"onnxruntime": {"chosen": "fp32", "offered": ["fp32"], "exact_int8": False}}


class Choice(NamedTuple):
    """What will compute, and the files of the bundle that it needs."""

    engine: EngineName
    precision: Precision

    @property
    def files(self) -> tuple[str, ...]:
        """Names within the bundle."""
        return FILES[self.engine, self.precision]


def choose(
    runtime: Mapping[str, Any],
    engine: EngineName | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
) -> Choice:
    """What the manifest's ``runtime`` and this machine allow of what is asked for.

    ``auto`` is OpenVINO where it is installed and the bundle was measured with it, and the
    precision that export chose; where that is int8 that this processor would get wrong, fp32.

    Raises:
        UserError: When the bundle, or this machine, does not have what was asked for.
    """
    engines: Mapping[str, Any] = runtime.get("engines", _BEFORE)
    if engine == "auto":
        able = "openvino" in engines and has_openvino() and not _cannot(engines["openvino"])
        engine = "openvino" if able else "onnxruntime"
    elif engine not in engines:
        raise UserError(
            f"The bundle was not measured with {engine}, only with {' and '.join(engines)}.",
            where="engine",
            remedy='Install the extra, pip install "wenliu[openvino]", and export again: '
            "kedro run --pipelines export",
        )
    elif engine == "openvino" and not has_openvino():
        raise UserError(
            "OpenVINO is not installed.", where="engine", remedy='pip install "wenliu[openvino]"'
        )
    measured = engines[engine]
    wrong = measured["exact_int8"] and not has_exact_int8()
    if precision == "auto":
        precision = "fp32" if wrong and measured["chosen"] == "int8" else measured["chosen"]
    elif precision not in measured["offered"]:
        raise UserError(
            f"The bundle has no {precision} for {engine}; it has {', '.join(measured['offered'])}.",
            where="precision",
            remedy="The bundle's manifest.json says under `precisions` why.",
        )
    elif precision == "int8" and wrong:
        raise UserError(
            "This processor (x86 without VNNI) would compute the bundle's int8 model wrongly.",
            where="precision",
            remedy="Take fp32, or export on a machine like this one.",
        )
    return Choice(engine, precision)


def _cannot(measured: Mapping[str, Any]) -> bool:
    """Whether this processor gets the chosen int8 wrong and there is no fp32 instead of it."""
    wrong = measured["exact_int8"] and measured["chosen"] == "int8" and not has_exact_int8()
    return wrong and "fp32" not in measured["offered"]


def load_engine(choice: Choice, contents: Mapping[str, bytes], threads: int) -> Engine:
    """The engine of a choice, loaded.

    Args:
        choice: What to load.
        contents: Name to content, of at least ``choice.files``.
        threads: That will call it at once.
    """
    model, *rest = (contents[name] for name in choice.files)
    if choice.engine == "onnxruntime":
        return OnnxRuntimeEngine(model)
    weights = rest[0] if rest else None
    return OpenVinoEngine(model, weights, bf16=choice.precision == "bf16", threads=threads)
