"""Names of competitors, as people write them."""

from collections.abc import Mapping, Sequence

from aggregator.base.text import clean
from runners.harness.case import WAYS, Competitor


def called(who: Competitor, titles: Mapping[str, str], parts: Sequence[str] = WAYS) -> str:
    """`TensorFlow (graph)`, made safe to show: see Competitor.called."""
    return clean(who.called(titles, parts), 60)
