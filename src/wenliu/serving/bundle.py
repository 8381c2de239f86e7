"""A bundle, loaded and ready to predict.

```python
bundle = Bundle.load("data/07_model_output/feedback_topics/bundle/<version>/bundle")
bundle.predict(["快递三天了还没到"])[0].label
```
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wenliu.errors import UserError
from wenliu.serving.cpu import available_cores
from wenliu.serving.manifest import REQUIRED, BundleError, read_files, read_manifest
from wenliu.serving.onnx_scan import MalformedModelError, external_locations
from wenliu.serving.precisions import (
    MODEL,
    Choice,
    EngineName,
    Precision,
    choose,
    load_engine,
)
from wenliu.serving.runtime import Runtime
from wenliu.tasks import Prediction, get_task
from wenliu.text.encoding import load_tokenizer, special_id
from wenliu.text.normalizer import Normalizer, TextSettings


class Bundle:
    """Raw text in, calibrated predictions out.

    Made by :meth:`load`. Any ``str`` has a defined result: lone surrogates never reach the
    tokenizer, long texts are cut as in training, and a text of which cleaning leaves nothing gets
    what the model says without evidence.

    Attributes:
        manifest: What ``manifest.json`` says.
        labels: Names of the labels; the order of logits and probabilities.
        temperature: Logits are divided by it before they become probabilities.
        choice: The engine that computes, and its precision.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        contents: dict[str, bytes],
        choice: Choice,
        *,
        threads: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self.manifest = manifest
        self.choice = choice
        self.labels: list[str] = json.loads(contents["labels.json"])["labels"]
        self.temperature = float(json.loads(contents["calibration.json"])["temperature"])
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise BundleError(f"The temperature is {self.temperature}.", where="calibration.json")
        self._task = get_task(manifest["runtime"]["task"])
        self._max_length = int(manifest["runtime"]["max_length"])
        self._truncation: str = manifest["runtime"]["truncation"]
        self._normalizer = Normalizer(TextSettings.from_dict(json.loads(contents["text.json"])))
        self._tokenizer = load_tokenizer(json.loads(contents["tokenizer.json"]))
        for name in choice.files:
            if name.endswith(".onnx"):
                _refuse_external_data(name, contents[name])
        threads = threads or available_cores()
        self._runtime = Runtime(
            load_engine(choice, contents, threads),
            threads=threads,
            batch_tokens=batch_tokens,
            pad_id=special_id(self._tokenizer, "[PAD]"),
        )
        if self._runtime.outputs != len(self.labels):
            raise BundleError(
                f"The model has {self._runtime.outputs} outputs for {len(self.labels)} labels."
            )

    @classmethod
    def load(
        cls,
        folder: Path | str,
        verify: bool = True,
        *,
        engine: EngineName | Literal["auto"] = "auto",
        precision: Precision | Literal["auto"] = "auto",
        threads: int | None = None,
        batch_tokens: int | None = None,
    ) -> Bundle:
        """Loads a bundle from its folder.

        Args:
            folder: The folder that holds ``manifest.json``.
            verify: Compare every file's sha256. Only for a folder verified a moment ago is it
                worth turning off; links and unknown files are refused either way.
            engine: Default: OpenVINO where it is installed, else onnxruntime.
            precision: Default: what export chose for the engine.
            threads: Batches computed at once; default: the cores this process may use.
            batch_tokens: Padded tokens of one batch; default: what suits the engine.

        Raises:
            BundleError: When anything is not as the manifest says, or unsafe.
            UserError: When the bundle or the machine does not have this engine or precision.
        """
        folder = Path(folder).resolve()
        manifest = read_manifest(folder)
        try:
            choice = choose(manifest["runtime"], engine, precision)
            contents = read_files(
                folder, manifest, ({*REQUIRED} - {MODEL}) | {*choice.files}, verify=verify
            )
            return cls(manifest, contents, choice, threads=threads, batch_tokens=batch_tokens)
        except UserError:
            raise
        except Exception as error:  # tokenizers and onnxruntime raise bare ones
            raise BundleError(
                f"The bundle does not fit together: {error}.", where=folder
            ) from error

    @property
    def sha256(self) -> str:
        """Identifies the content: equal for bundles that predict the same."""
        return str(self.manifest["content_sha256"])

    @property
    def identity(self) -> str:
        """Which content, computed by what: for a line that a person reads."""
        return f"sha256 {self.sha256[:12]}, {self.choice.precision} by {self.choice.engine}"

    def clean(self, texts: Sequence[str]) -> list[str]:
        """What the model reads: cleaned by the same function and settings as in training."""
        return self._normalizer.clean_batch(texts)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits of shape ``(texts, labels)`` for raw texts."""
        return self.clean_logits(self.clean(texts))

    def clean_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits of shape ``(texts, labels)`` for texts that :meth:`clean` has returned."""
        return self.token_logits(
            *self._task.encode(self._tokenizer, texts, self._max_length, self._truncation)
        )

    def token_logits(
        self, token_ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Logits of shape ``(rows, labels)`` for flat token ids with ``rows + 1`` offsets."""
        return self._runtime.logits(token_ids, offsets)

    def unknown_tokens(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``[UNK]`` tokens and all tokens, uncut, of texts that :meth:`clean` has returned."""
        tokens = self._tokenizer.tokenize(texts)
        unknown = np.flatnonzero(tokens.ids == special_id(self._tokenizer, "[UNK]"))
        return np.bincount(tokens.rows_of(unknown), minlength=len(texts)), np.diff(tokens.offsets)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction for each raw text, in the order given."""
        return self.predict_clean(self.clean(texts))

    def predict_clean(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction for each text that :meth:`clean` has returned."""
        return self._task.predict(self.clean_logits(texts), self.labels, self.temperature)


def _refuse_external_data(name: str, model: bytes) -> None:
    try:
        locations = external_locations(model)
    except MalformedModelError as error:
        raise BundleError(f"{name} is no ONNX model: {error}.") from error
    if locations:
        raise BundleError(f"{name} keeps data outside of itself: {locations[0]}.")
