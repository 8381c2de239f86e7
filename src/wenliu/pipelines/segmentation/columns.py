"""Segmentation as a column function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu.parallel import ColumnFunction
from wenliu.params import SegmentationParams

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.text.segmentation import Segmenter


@dataclass(frozen=True)
class SegmentTexts(ColumnFunction):
    """From ``id`` and ``clean_text`` to ``Words``.

    Attributes:
        params: Engine, dictionary, tags.
    """

    params: SegmentationParams

    @cached_property
    def segmenter(self) -> Segmenter:
        """Built once a process; its dictionary has 350,000 words."""
        from wenliu.text.segmentation import Segmenter

        params = self.params
        return Segmenter(
            params.engine, _dictionary(params.user_dictionary), params.part_of_speech, params.cache
        )

    @property
    def pays_above(self) -> int:
        """Less for jieba itself, which reads some 0.3 million characters a second."""
        slow = self.params.part_of_speech or self.params.engine == "jieba"
        return 4_000_000 if slow else super().pays_above

    @property
    def schema(self) -> pa.Schema:
        """That of ``Words``, with tags where they are wanted."""
        import pyarrow as pa

        from wenliu.schemas import Words

        schema = Words.arrow()
        if self.params.part_of_speech:
            schema = schema.append(pa.field("tags", pa.list_(pa.string()), nullable=False))
        return schema

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The words of each text."""
        import pyarrow as pa

        texts = batch["clean_text"]
        if self.params.part_of_speech:
            rows = [self.segmenter.tag(text) for text in texts.to_pylist()]
            columns = [
                pa.array([[word[place] for word in row] for row in rows], field.type)
                for place, field in enumerate(list(self.schema)[1:])
            ]
        else:
            columns = list(self.segmenter.segment_column(texts))
        return pa.record_batch([batch["id"], *columns], schema=self.schema)


def _dictionary(path: str | None) -> Path | None:
    """The dictionary's path; a relative one is meant from the project, wherever we run."""
    if path is None:
        return None
    given = Path(path).expanduser()
    if given.is_absolute() or given.exists():
        return given
    from wenliu.project import find_project

    return find_project() / given
