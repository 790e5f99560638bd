"""A line of what `doctor` shows."""

from dataclasses import dataclass

from rich.text import Text

from runners.harness.terminal import shown


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, what to do; `lacks` where no run is possible so."""

    subject: str
    found: str
    remedy: str = ""
    lacks: bool = False

    def cells(self) -> list[Text]:
        """The cells of its line."""
        word, colour = ("lacks", "red") if self.lacks else ("note", "yellow") if self.remedy else ("ok", "green")
        return [Text(shown(self.subject)), Text(word, style=colour), Text(shown(self.found)), Text(shown(self.remedy))]
