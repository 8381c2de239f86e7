"""A bundle as an MLflow model ("models from code").

MLflow stores this file, the bundle and a copy of our runtime layers, and runs it where the model is
loaded: no torch, no transformers, no pickle, and Wenliu need not be installed there. Only MLflow
imports this module.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext


class BundleModel(PythonModel):
    """A frame with a column ``text`` to one with ``label`` and ``probability``."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads and verifies the bundle that was stored with the model."""
        from wenliu.serving.bundle import Bundle

        self._bundle = Bundle.load(context.artifacts["bundle"])

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row for each text, in the order given; a missing text counts as an empty one."""
        texts = [text if isinstance(text, str) else "" for text in model_input["text"]]
        predictions = self._bundle.predict(texts)
        return pd.DataFrame(
            {
                "label": [prediction.label for prediction in predictions],
                "probability": [prediction.probability for prediction in predictions],
            },
            index=model_input.index,
        )


mlflow.models.set_model(BundleModel())
