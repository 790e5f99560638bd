"""Print make's variables for the axes of a case: `make` does so, before anything is installed."""

from runners.harness.case import AXES


def lines() -> list[str]:
    """A line a variable: `  SIZES=…  train, infer: side of the square image in pixels`."""
    return [f"  {axis.variable + '=':17} {', '.join(axis.chosen_for)}: {axis.help}" for axis in AXES if axis.option]


if __name__ == "__main__":
    print("\n".join(lines()))
