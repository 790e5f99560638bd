"""Names of competitors, as people write them."""

from collections.abc import Mapping, Sequence

from aggregator.base.text import clean
from runners.harness.case import Competitor

WAYS = ("loader", "variant")


def called(who: Competitor, titles: Mapping[str, str], parts: Sequence[str] = WAYS) -> str:
    """`TensorFlow (graph)`: the framework as people write it, its version, and these parts of the competitor."""
    name = " ".join(filter(None, (titles.get(who.framework) or who.framework, who.version)))
    ways = ", ".join(filter(None, (getattr(who, part) for part in parts)))
    return clean(name + (f" ({ways})" if ways else "") + (f" {who.alias}" if who.alias else ""), 60)
