"""The published schema is the one the code reads."""

from pathlib import Path

import pytest

from aggregator.cli import main
from runners.harness.record import SCHEMA_HISTORY, SCHEMA_VERSION

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("arguments", "name"), [([], "record.schema.json"), (["--markdown"], "record.md")])
def test_the_published_file_is_current(capsys, arguments, name):
    assert main(["schema", *arguments]) == 0
    again = f"python -m aggregator schema {' '.join(arguments)} > docs/{name}"
    assert (DOCS / name).read_text() == capsys.readouterr().out, f"stale; run: {again}"


def test_every_version_has_a_line_of_history():
    assert sorted(SCHEMA_HISTORY) == list(range(1, SCHEMA_VERSION + 1))
