"""Text of records, made safe to show."""

import unicodedata
from datetime import UTC, datetime

from runners.harness.terminal import UNSEEN

REPLACEMENT = "\ufffd"
LONGEST = 4000


def clean(text: str, longest: int = LONGEST) -> str:
    """One line of text without control characters, no longer than `longest`."""
    return visible(" ".join(text.split()), longest)


def clean_lines(text: str) -> str:
    """Like `clean`, keeping line breaks and indentation: for log tails."""
    return "\n".join(visible(line.expandtabs(4).rstrip(), LONGEST) for line in text.splitlines())


def visible(text: str, longest: int) -> str:
    """Like `clean`, keeping every space: for paths."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(REPLACEMENT if unicodedata.category(char) in UNSEEN else char for char in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def day(moment: str) -> str:
    """`29 November 2026` of a time in ISO format; a text that is no time as it is."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone(UTC):%-d %B %Y}"
    except (ValueError, OverflowError):
        return clean(moment, 40)
