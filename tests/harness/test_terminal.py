"""What comes from outside neither moves a terminal's cursor nor commands a CI service."""

import pytest

from runners.harness.terminal import shown


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain, ü 日本 🎉\n\tindented", "plain, ü 日本 🎉\n\tindented"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\rb\x08\x00\x7f\x9b", "a\\x0db\\x08\\x00\\x7f\\x9b"),
        ("\u202egnp.exe\u2066\ufeff\u2028", "U+202Egnp.exeU+2066U+FEFFU+2028"),
        ("name \udcff \ud800", "name \\xff U+D800"),
        ("::set-env name=X::y", ": :set-env name=X::y"),
        ("ok\n  ::error file=a::b", "ok\n  : :error file=a::b"),
        ("not ready (::stop-commands::x)", "not ready (: :stop-commands::x)"),
        ("##[error]no ##vso[task.setvariable] ##teamcity[x]", "## [error]no ## vso[task.setvariable] ## teamcity[x]"),
        ("std::vector<int>::at, (anonymous namespace)::f, a[::2], [::1]", None),
        ("## Heading [link]", None),
    ],
)
def test_text_from_outside_is_written_out_and_its_commands_are_broken(text, printed):
    assert shown(text) == (text if printed is None else printed)


def test_a_line_stays_a_line():
    assert shown("a\nb\tc", kept="") == "a\\x0ab\\x09c"
