"""Numbers as text."""

import pytest
from markdown_it import MarkdownIt

from aggregator.base.quantities import duration, duration_range, number_range, ratio_and_interval, with_half_width
from aggregator.base.text import clean
from aggregator.report.page.markdown import escape, fence


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.0446, 0.0443, 0.0449, "44.6 ± 0.3 ms"),
        (0.123, 0.098, 0.148, "120 ± 20 ms"),
        (12.345, 12.3449, 12.3451, "12.3450 ± 0.0001 s"),
        (3e-7, 2e-7, 4e-7, "300 ± 100 ns"),
    ],
)
def test_a_time_has_the_digits_its_interval_supports(value, low, high, text):
    assert duration(value, low, high) == text


def test_a_time_without_interval_has_two_digits():
    assert duration(0.04456) == "45 ms"
    assert duration_range([1.0, 1.234, 2.0]) == "1.23 s (1.00–2.00)"


def test_the_middle_of_an_even_number_is_the_median():
    assert number_range([1.0, 2.0]) == "1.50 (1.00–2.00)"
    assert number_range([1.734, 1.734]) == "1.73"


def test_a_ratio_has_the_digits_its_interval_supports():
    assert ratio_and_interval(1.23456, 1.21, 1.26) == ("1.23", "1.21–1.26")
    assert ratio_and_interval(1.23456, 0.9, 1.7) == ("1.2", "0.9–1.7")
    assert ratio_and_interval(1.23456, 1.234, 1.235) == ("1.2346", "1.2340–1.2350")
    assert ratio_and_interval(0.0371, 0.0362, 0.0381) == ("0.0371", "0.0362–0.0381")
    assert ratio_and_interval(1.0312, 1.0012, 1.0612) == ("1.031", "1.001–1.061")
    assert ratio_and_interval(123.4, 110.2, 137.9) == ("120", "110–140")


def test_a_ratio_that_nothing_is_known_about_is_still_not_nought():
    assert ratio_and_interval(0.0312, 0.0000213, 57322.7) == ("0.031", "0.000021–57000")


def test_an_interval_whose_ends_are_factors_apart_never_reaches_nought():
    assert with_half_width(20, 4, 100, "s") == "20 (4.0–100) s"


def test_no_scatter_claims_no_precision():
    assert with_half_width(5.123456, 5.123456, 5.123456, "s") == "5.12 s"


def test_markdown_takes_text_for_text():
    assert escape("a|b\n# c") == "a\\|b \\# c"
    assert escape("<b>&") == "&lt;b&gt;&amp;"
    assert escape("@all https://x.y") == "@\u200ball https:\u200b//x.y"
    assert escape("me@x.org WWW.x.org #7") == "me@\u200bx.org WWW\u200b.x.org \\#\u200b7"
    assert escape("mobilenet_v2 _x_ $y$") == "mobilenet_v2 \\_x\\_ \\$y\\$"
    assert fence("```\nx").startswith("````text\n")


@pytest.mark.parametrize(
    "text",
    [
        "# a",
        "- a",
        "+ a",
        "* a",
        "> a",
        "1. a",
        "12) a",
        "7.",
        "---",
        "===",
        "___",
        "***",
        "```",
        "~~~",
        ":--",
        "| a |",
    ],
)
@pytest.mark.parametrize("before", ["", "- ", "a line\n"])
def test_no_text_becomes_a_block_of_its_own_at_the_start_of_a_line(text, before):
    def blocks(source):
        return [token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(source)]

    assert blocks(f"{before}{escape(text)} is faster") == blocks(f"{before}x is faster")
    assert blocks(f"{before}{escape(text)}") == blocks(f"{before}x")


def test_numbers_stay_as_they_are():
    assert escape("1.23 ms (1.1–1.4)") == "1.23 ms (1.1–1.4)"


def test_control_characters_become_visible():
    assert clean("a\x00b\x1b\u202ec\ud800") == "a\ufffdb\ufffd\ufffdc\ufffd"
    assert clean("  two \n lines ") == "two lines"
    assert len(clean("x" * 9999)) == 4000
