"""Text from outside, made safe to print: nothing in it moves a cursor, hides other text or commands a CI service."""

import re
import unicodedata

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Control characters, changes of direction, halves of characters, unassigned: by Unicode's categories. Terminals and
pages do not show them, and XML may not have them."""
COMMAND = re.compile(r"(?<![\w>)}\]])::(?=[A-Za-z])|##(?=\w*\[)")
"""`::set-env …`, `##[error]…`, `##vso[…]`, which CI services take for commands; but not C++'s `std::vector`."""


def shown(text: str, kept: str = "\n\t") -> str:
    """The text with all that cannot be seen written out, such as `\\x1b` and `U+202E`, but for the characters `kept`.

    Commands of CI services are broken up by a space.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if char in kept else _written_out(char) for char in text)
    return COMMAND.sub(lambda found: {"::": ": :", "##": "## "}[found[0]], text)


def _written_out(char: str) -> str:
    if unicodedata.category(char) not in UNSEEN:
        return char
    number = ord(char)
    byte = number - 0xDC00 if 0xDC80 <= number <= 0xDCFF else number  # a byte of a name that is not UTF-8
    return f"\\x{byte:02x}" if byte < 0x100 else f"U+{number:04X}"
