"""Where published figures come from: what the sources of every workload have in common."""

from dataclasses import dataclass

from runners.harness.case import Competitor


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who published the figures, how they came about, and which of our competitors stands for which of theirs.

    `ours` gives the competitor of each of their frameworks, as its parts joined by slashes; `baseline` is the one of
    theirs that is below in every ratio. `versions` and `devices` are empty where the source gives none.
    """

    title: str
    author: str
    publisher: str
    year: int | None = None
    measured: str
    baseline: str
    devices: dict[str, str]
    ours: dict[str, str]
    differences: dict[str, str]
    versions: dict[str, str]

    def remarks(self) -> tuple[str, ...]:
        """The source, and how its work differs from the equal work that is measured here, in lines."""
        versions = ", ".join(f"{name} is {version}" for name, version in self.versions.items())
        devices = ", ".join(f"{kind.upper()} {name}" for kind, name in self.devices.items())
        told = "; ".join(text for text in (versions, devices, self.measured) if text)
        where = self.publisher if self.year is None else f"{self.publisher}, {self.year}"
        return (
            f"Source: {self.author}, “{self.title}”, {where}. {told}.",
            *(f"Not like ours, {what}: {how}." for what, how in self.differences.items()),
        )

    def stands(self) -> str:
        """Who of ours stands for whom of theirs, in words."""
        return ", ".join(f"{ours} stands for {theirs}" for theirs, ours in self.ours.items())

    def theirs(self, competitor: Competitor) -> str | None:
        """The published framework that a competitor stands for, whatever its version: the label tells that."""
        parts = (competitor.framework, competitor.loader, competitor.variant)
        name = "/".join(part for part in parts if part)
        return next((theirs for theirs, ours in self.ours.items() if ours == name), None)
