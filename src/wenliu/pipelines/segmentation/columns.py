"""Segmentation as a column function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu.parallel import ColumnFunction, PartFunction, with_counts
from wenliu.params import SegmentationParams

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.text.segmentation import Segmenter


@dataclass(frozen=True)
class SegmentTexts(ColumnFunction):
    """From ``clean_text`` to ``words`` and ``starts``.

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
    def named_files(self) -> list[Path]:
        """The user dictionary, whose content counts."""
        path = _dictionary(self.params.user_dictionary)
        return [path] if path and path.is_file() else []

    @property
    def schema(self) -> pa.Schema:
        """Of what is returned, with tags where they are wanted."""
        import pyarrow as pa

        from wenliu.schemas import Words

        schema = pa.schema([Words.arrow().field(name) for name in ("words", "starts")])
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
                for place, field in enumerate(self.schema)
            ]
        else:
            columns = list(self.segmenter.segment_column(texts))
        return pa.record_batch(columns, schema=self.schema)


@dataclass(frozen=True)
class CountWords(PartFunction):
    """From ``words``, ``label_id``, ``split`` and ``dropped`` to the counts of ``WordCounts``.

    Attributes:
        n_labels: How many labels there are.
        dropped: Whether the training rows are counted that the audit dropped, not those that are
            there. New rows change the marks of a few old ones: their counts are taken off those of
            all, which stay.
    """

    n_labels: int
    dropped: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
        """A row for each word and label; of all rows, words and characters are counted too."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from wenliu.text.keywords import WordCounts

        found = WordCounts(self.n_labels)
        words = characters = 0
        for batch in batches:
            wanted = pc.equal(batch["split"], "train")
            if self.dropped:
                wanted = pc.and_(wanted, pc.is_valid(batch["dropped"]))
            else:
                flat = batch["words"].flatten()
                words += len(flat)
                characters += pc.sum(pc.utf8_length(flat)).as_py() or 0
            rows = batch.select(["words", "label_id"]).filter(wanted)
            found.add(rows["words"], rows["label_id"])
        counts = {"rows": found.rows, "words": words, "characters": characters}
        table = found.counts()
        columns = [column.combine_chunks() for column in table.columns]
        return with_counts(pa.RecordBatch.from_arrays(columns, schema=table.schema), counts)


def _dictionary(path: str | None) -> Path | None:
    """The dictionary's path; a relative one is meant from the project, wherever we run."""
    if path is None:
        return None
    given = Path(path).expanduser()
    if given.is_absolute() or given.exists():
        return given
    from wenliu.project import find_project

    return find_project() / given
