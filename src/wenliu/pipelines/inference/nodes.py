"""The node of inference."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu.errors import UserError
from wenliu.params import InferenceParams

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle
else:
    Bundle = object  # Kedro resolves annotations when it builds a pipeline


def predict_file(
    serving_bundle: Callable[..., tuple[Bundle, str]], params: InferenceParams
) -> dict:
    """Writes a label and its probability for every row of a file.

    Args:
        serving_bundle: From the bundle asked for (or None) and options of ``Bundle.load`` to the
            loaded bundle and a sentence about it.
        params: Input, output, bundle, column and sheet.

    Returns:
        ``inference_report``: rows, labels, unreadable rows, where the output is.

    Raises:
        UserError: When no input was given, or it cannot be read.
    """
    from wenliu.serving import batch

    if params.input is None:
        raise UserError(
            "There is nothing to predict.",
            where="inference.input",
            remedy="kedro run --pipelines inference --params inference.input=FILE",
        )
    source = Path(params.input)
    target = Path(params.output) if params.output else batch.default_target(source)
    bundle, which = serving_bundle(
        params.bundle,
        engine=params.engine,
        precision=params.precision,
        batch_tokens=None if params.batch_tokens == "auto" else params.batch_tokens,
    )
    print(f"Bundle: {which} ({bundle.identity})", file=sys.stderr)
    report = batch.predict_file(bundle, source, target, text_column=params.text, sheet=params.sheet)
    if report["sheets_not_read"]:
        print(batch.describe_sheet(report), file=sys.stderr)
    return report
