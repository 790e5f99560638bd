"""The command line, run in this process."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataset_prep.__main__ import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: bytes
    err: str


@pytest.fixture
def prep(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Outcome]:
    """Runs the command line. Returns the exit code, even for usage errors, and the output."""

    def run(*arguments: str | Path) -> Outcome:
        capfdbinary.readouterr()
        mask = os.umask(0o022)
        try:
            code = main([os.fspath(argument) for argument in arguments])
        except SystemExit as exit_:
            code = int(str(exit_.code))
        finally:
            os.umask(mask)
        captured = capfdbinary.readouterr()
        return Outcome(code, captured.out, captured.err.decode("utf-8", "replace"))

    return run
