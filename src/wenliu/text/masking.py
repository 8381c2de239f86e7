"""Rules that put a short word in the place of links, addresses and numbers of people.

Long links become many pieces that say nothing, and what identifies a person has no place in a
model. No pattern backtracks over more than a bounded stretch: hostile input stays linear.
"""

from __future__ import annotations

import re

from wenliu.text.edits import Replacement
from wenliu.text.rules import PatternRule, Rule

_URL = re.compile(
    r"(?:(?:https?|ftps?)[:：]//|(?<![a-z0-9.])www\.)[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.I
)
# What ends a sentence or closes a bracket after a link does not belong to it.
_AFTER_URL = ".,;:!?'*)]~"
_DOMAIN = re.compile(r"[@＠](?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}", re.I)
_LOCAL_BACKWARDS = re.compile(r"[a-z0-9._%+-]{1,64}", re.I)
# A name of Latin letters ends with them; one with Chinese characters only where a blank or a sign
# ends it, because "@" also stands before ordinary words. Weibo allows 15 Chinese characters.
_MENTION = (
    r"(?<![a-z0-9])[@＠](?=[a-z0-9\u4e00-\u9fff])"
    r"(?:[a-z0-9_-]{2,30}(?![\w-])|[\w-]{1,15}(?![\w-])|[a-z0-9_-]{2,30}(?![a-z0-9_-]))"
)
_PHONE = (
    r"(?<![0-9])(?:(?:\+?86[ -]?)?1[3-9][0-9](?:[0-9]{8}|[ -][0-9]{4}[ -][0-9]{4})"
    r"|0[1-9][0-9]{1,2}[ -]?[0-9]{7,8}|[48]00(?:[0-9]{7}|-[0-9]{3}-[0-9]{4}|-[0-9]{4}-[0-9]{3}))"
    r"(?![0-9])"
)
# Region, date of birth, serial number, check digit.
_ID_NUMBER = (
    r"(?<![0-9a-z])[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"[0-9]{3}[0-9x](?![0-9a-z])"
)


class Urls(Rule):
    """Links that begin with a scheme or with ``www.``."""

    name, signs, together = "urls", "/wW", 2

    def __init__(self, mask: str) -> None:
        self.mask = self.writes = mask
        self.deletes = not mask

    def find(self, text: str) -> list[Replacement]:
        """The links of ``text``."""
        found = []
        for match in _URL.finditer(text):
            link = match[0].rstrip(_AFTER_URL)
            found.append((match.start(), match.start() + len(link), self.mask))
        return found


class Emails(Rule):
    """E-mail addresses, found from their @ in both directions."""

    name, signs = "emails", "@＠"

    def __init__(self, mask: str) -> None:
        self.mask = self.writes = mask
        self.deletes = not mask

    def find(self, text: str) -> list[Replacement]:
        """The addresses of ``text``."""
        found: list[Replacement] = []
        if "@" not in text and "＠" not in text:
            return found
        taken = 0
        for match in _DOMAIN.finditer(text):
            at = match.start()
            local = _LOCAL_BACKWARDS.match(text[max(taken, at - 64) : at][::-1])
            if local:
                taken = match.end()
                found.append((at - local.end(), taken, self.mask))
        return found


def mentions(mask: str) -> Rule:
    """Names after an @."""
    return PatternRule(
        "mentions", _MENTION, lambda _: mask, signs="@＠", writes=mask, deletes=not mask, flags=re.I
    )


def phones(mask: str) -> Rule:
    """Mobile, landline and service numbers of mainland China."""
    return PatternRule(
        "phones",
        _PHONE,
        lambda _: mask,
        signs="0123456789 -",
        together=10,
        writes=mask,
        deletes=not mask,
    )


def id_numbers(mask: str) -> Rule:
    """Resident identity card numbers with 18 places."""
    return PatternRule(
        "id_numbers",
        _ID_NUMBER,
        lambda _: mask,
        signs="0123456789",
        together=17,
        writes=mask,
        deletes=not mask,
        flags=re.I,
    )
