"""How long one replicate measures."""

from dataclasses import dataclass
from typing import ClassVar

from runners.harness.case import STRICT


@dataclass(frozen=True)
class Sampling:
    """How long to measure: `warmup_steps`, then steps until both `min_steps` and `min_seconds` are reached.

    After the warm-up there are never more than `max_steps` steps.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    warmup_steps: int = 5
    min_steps: int = 40
    max_steps: int = 10_000
    min_seconds: float = 2.0
