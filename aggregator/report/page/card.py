"""card.png: the first outcomes of a report as a light image of fixed size, for links to it."""

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import vl_convert
from markupsafe import escape

from aggregator.base.text import clean
from aggregator.report.model import Outcome, OutcomeSide, Report, Words

NAME = "card.png"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
WIDTH, HEIGHT, MARGIN, GAP = 1200, 630, 56, 40
MOST_OUTCOMES, MOST_SIDES = 4, 3
FONT = "Liberation Sans"
"""vl-convert bundles this font. Text in a font that the machine lacks would not be drawn at all."""
INK, QUIET, RULE, WIN, BAD = "#1b1f24", "#59636e", "#d9dee4", "#0b6e4f", "#a3260d"
EMS = {
    **dict.fromkeys("ijl.,:;'|!/ ftI", 0.28),
    **dict.fromkeys("()[]r-", 0.34),
    **dict.fromkeys("cksvxyzJ", 0.5),
    **dict.fromkeys("mwMW%@", 0.9),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ&", 0.7),
    **dict.fromkeys("±×–·", 0.58),
}
"""Widths of characters in ems; other characters are about half an em wide."""


def card(report: Report) -> bytes:
    """The PNG; the same report gives the same bytes."""
    return _packed(vl_convert.svg_to_png(card_svg(report)))


def _packed(png: bytes) -> bytes:
    """The same image, compressed again: vl-convert compresses lightly, and leaves four times the bytes."""
    chunks, at = [], len(SIGNATURE)
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4])
        chunks.append((png[at + 4 : at + 8], png[at + 8 : end - 4]))
        at = end
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    kept = [(kind, data) for kind, data in chunks if kind != b"IDAT"]
    kept.insert(-1, (b"IDAT", zlib.compress(pixels, 9)))
    packed = (len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in kept)
    return SIGNATURE + b"".join(packed)


def card_svg(report: Report) -> str:
    """The drawing: nothing but shapes and escaped text."""
    # Of several environments, the first case of each comes before the second of any.
    several = len(report.parts) > 1
    named = [
        [(f"Environment {index + 1} · " if several else "", outcome) for outcome in part.outcomes]
        for index, part in enumerate(report.parts)
    ]
    every = [one for among in zip_longest(*named) for one in among if one]
    shown = every[:MOST_OUTCOMES]
    inner = WIDTH - 2 * MARGIN
    columns, scale = (2, 1.0) if len(shown) > 2 else (1, 1.6 if len(shown) == 1 else 1.0)
    width = inner if columns == 1 else (inner - GAP) / 2
    marks = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/><rect width="{WIDTH}" height="10" fill="{WIN}"/>',
        _fitted(74, range(42, 29, -2), report.title, inner, bold=True),
        _fitted(110, (22, 18), report.where, inner, QUIET),
        _fitted(152, (25, 22, 19), report.in_short, inner),
    ]
    for index, (where, outcome) in enumerate(shown):
        x, y = MARGIN + index % columns * (width + GAP), 178 + index // columns * 202
        drawn = "".join(_outcome(where + outcome.title, outcome, report.marks, width / scale))
        marks.append(f'<g transform="translate({x} {y}) scale({scale})">{drawn}</g>')
    further = "the report has further cases" if len(every) > len(shown) else ""
    state = " · ".join(filter(None, ("INCOMPLETE" if report.incomplete else "", further)))
    marks += [
        _text(MARGIN, 604, 20, state, inner - 200, BAD if report.incomplete else QUIET, bold=True),
        _text(WIDTH - MARGIN, 604, 20, "Levelfield", 200, QUIET, bold=True, anchor="end"),
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">{"".join(marks)}</svg>'


def _outcome(title: str, outcome: Outcome, looks: Sequence[tuple[str, str]], width: float) -> Iterator[str]:
    """One case: what it is, the sentence with the winner, each side's rate as a bar with its interval."""
    sides = outcome.sides[:MOST_SIDES]
    shown = f" · {len(sides)} of {len(outcome.sides)} sides" if len(sides) < len(outcome.sides) else ""
    yield f'<rect width="{width}" height="1" fill="{RULE}"/>'
    yield _text(0, 26, 17, title + shown, width, QUIET)
    y = 54
    size = next((size for size in (19, 17) if ("…", False) not in _lines(outcome.sentence, width, size)[-1]), 17)
    for words in _lines(outcome.sentence, width, size):
        spans = "".join(_span(text, strong, outcome.is_won) for text, strong in words)
        yield f'<text y="{y}" font-size="{size}" fill="{INK}" xml:space="preserve">{spans}</text>'
        y += 25
    for row, side in enumerate(sides):
        yield from _side(side, looks[side.mark], y + 6 + 30 * row, width)


def _side(side: OutcomeSide, look: tuple[str, str], y: float, width: float) -> Iterator[str]:
    name, rate = 235, 190
    colour, shape = look
    yield f'<path transform="translate(8 {y - 6}) scale(7)" fill="{colour}" d="{shape}"/>'
    size = 17 if _width(side.name, 17, side.is_winner) <= name - 30 else 15
    yield _text(24, y, size, side.name, name - 30, bold=side.is_winner)
    yield _text(width, y, 17, side.rate or side.time, rate - 10, INK if side.rate else QUIET, anchor="end")
    if side.bar:
        unit = (width - name - rate) / 100
        bar = f'width="{unit * float(side.bar.middle):.1f}" height="15" rx="2" fill="{colour}" opacity=".6"'
        yield f'<rect x="{name}" y="{y - 14}" {bar}/>'
        if side.bar.width:
            low, wide = name + unit * float(side.bar.low), max(2, unit * float(side.bar.width))
            yield f'<rect x="{low:.1f}" y="{y - 7.5}" width="{wide:.1f}" height="2" fill="{INK}"/>'


def _fitted(y: float, sizes: Sequence[int], text: str, room: float, fill: str = INK, bold: bool = False) -> str:
    """One line of text at the left margin, in the largest of these sizes for which there is room."""
    size = next((size for size in sizes if _width(text, size, bold) <= room), sizes[-1])
    return _text(MARGIN, y, size, text, room, fill, bold)


def _text(
    x: float,
    y: float,
    size: int,
    text: str,
    room: float,
    fill: str = INK,
    bold: bool = False,
    anchor: str = "start",
) -> str:
    """One line of text, cut to the room there is."""
    look = f'font-size="{size}" fill="{fill}" font-weight="{"bold" if bold else "normal"}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {look}>{escape(_cut(clean(text, 300), size, room, bold))}</text>'


def _span(text: str, strong: bool, is_won: bool) -> str:
    look = f' font-weight="bold" fill="{WIN if is_won else INK}"' if strong else ""
    return f"<tspan{look}>{escape(text)}</tspan>"


def _lines(sentence: Words, room: float, size: int) -> list[list[tuple[str, bool]]]:
    """The sentence broken into two lines at most; what does not fit ends in an ellipsis."""
    words = [(word, strong) for text, strong in sentence for word in re.findall(r"\s*\S+\s*", text)]
    lines: list[list[tuple[str, bool]]] = [[]]
    used = 0.0
    for word, strong in words:
        wide = _width(word.rstrip(), size, strong)
        if used + wide > room and lines[-1]:
            if len(lines) == 2:
                lines[-1].append(("…", False))
                break
            lines.append([])
            word, used = word.lstrip(), 0.0
        lines[-1].append((_cut(word, size, room, strong), strong))
        used += _width(word, size, strong)
    return lines


def _cut(text: str, size: int, room: float, bold: bool) -> str:
    """The text, or as much of its beginning as there is room for."""
    while _width(text, size, bold) > room:
        text = text.rstrip("…")[:-1].rstrip() + "…"
    return text


def _width(text: str, size: int, bold: bool) -> float:
    """About how wide a text is, rather too wide than too narrow."""
    ems = sum(EMS.get(char, 0.56) if char in EMS or char.isascii() else 1.0 for char in text)
    return size * ems * (1.08 if bold else 1.01)
