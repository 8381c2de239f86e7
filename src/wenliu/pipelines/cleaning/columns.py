"""Cleaning as a column function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wenliu.parallel import ColumnFunction, with_counts

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.text.normalizer import Normalizer


@dataclass(frozen=True)
class CleanTexts(ColumnFunction):
    """From ``text`` to ``clean_text`` and ``edits``; counts what each rule did.

    Attributes:
        settings: The resolved rules, as ``text_settings`` holds them.
        samples: Rows kept as samples of each rule.
    """

    settings: dict[str, Any]
    samples: int

    @cached_property
    def normalizer(self) -> Normalizer:
        """Built once a process."""
        from wenliu.text.normalizer import Normalizer, TextSettings

        return Normalizer(TextSettings.from_dict(self.settings))

    @property
    def pays_above(self) -> int:
        """Of some 13 million characters a second."""
        return 160_000_000

    @property
    def schema(self) -> pa.Schema:
        """Of what is added."""
        import pyarrow as pa

        from wenliu.schemas import CleanExamples

        return pa.schema([CleanExamples.arrow().field(name) for name in ("clean_text", "edits")])

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The clean texts, and the way back to the raw ones."""
        import pyarrow as pa

        from wenliu.text.tally import Tally

        tally = Tally(self.samples)
        texts, edits = self.normalizer.clean_column(batch["text"], tally)
        return with_counts(pa.record_batch([texts, edits], schema=self.schema), tally.report())
