"""Prints make's variables for the axes of a case. `make help` runs it before anything is installed."""

from runners.harness.case import AXES


def lines() -> list[str]:
    """One line for each variable, such as `  SIZES=  train, infer: side of the square image in pixels`."""
    return [f"  {axis.variable + '=':17} {', '.join(axis.chosen_for)}: {axis.help}" for axis in AXES if axis.option]


if __name__ == "__main__":
    print("\n".join(lines()))
