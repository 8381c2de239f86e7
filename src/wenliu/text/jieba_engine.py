"""jieba itself, without its cache in the shared temporary folder and without its messages."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wenliu.errors import UserError

#: jieba's Viterbi copies its path at every character: longer texts go piece by piece, split
#: where it would split by itself.
_PIECE = 5000
_BORDER = re.compile(r"[^\u4E00-\u9FD5a-zA-Z0-9+#&._%\-\r\n]")


class JiebaEngine:
    """An own instance of jieba's tokenizer: the shared one belongs to everybody.

    Args:
        entries: Words of the user: word, count or None, tag or None.
        cache: ``none`` (0.6 s a start), or ``private`` (jieba's own cache in a private folder).
    """

    def __init__(
        self, entries: Sequence[tuple[str, int | None, str | None]] = (), cache: str = "none"
    ) -> None:
        self._jieba = _quiet_jieba()
        tokenizer = self._jieba.Tokenizer()
        if cache == "private":
            tokenizer.tmp_dir = str(private_folder())
            tokenizer.initialize()
        else:
            # What `initialize` does when it finds no cache, without writing one.
            tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
            tokenizer.initialized = True
        for entry in entries:
            tokenizer.add_word(*entry)
        self._tokenizer = tokenizer

    def cut(self, text: str) -> list[str]:
        """The words of a text."""
        return [word for piece in _pieces(text) for word in self._tokenizer.cut(piece)]

    def tagger(self) -> Callable[[str], list[tuple[str, str]]]:
        """A function from a text to its words with their tags."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from jieba.posseg import POSTokenizer

        cut = POSTokenizer(self._tokenizer).cut
        return lambda text: [(p.word, p.flag) for piece in _pieces(text) for p in cut(piece)]


def private_folder() -> Path:
    """A folder for caches that only this user can read and write; made if it is not there.

    Raises:
        UserError: It is a link, or somebody else's, or open to others.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "wenliu" / "jieba"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not own or (os.name == "posix" and found.st_mode & 0o077):
        raise UserError(
            "The folder for jieba's cache is not private: jieba trusts whatever lies there.",
            where=str(folder),
            remedy="Remove it, or `chmod 700` it if it is yours; or set segmentation.cache: none.",
        )
    return folder


def _quiet_jieba() -> Any:
    import logging

    with warnings.catch_warnings():
        # Its regular expressions hold invalid escapes, and it asks for the old pkg_resources.
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return jieba


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        end = start + _PIECE
        borders = [match.end() for match in _BORDER.finditer(text, start, end)]
        end = borders[-1] if borders else end
        yield text[start:end]
        start = end
    yield text[start:]
