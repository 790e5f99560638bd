"""How much longer a process takes to start in a container: the runner's `--list`, which imports no framework.

    .venv/bin/python -m benchmarks.container_start [rounds] [framework]

It needs the framework's image (make images ENGINE=docker). Runs with and without a container alternate.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from runners.harness.clock import now_ns

ROOT = Path(__file__).parent.parent


def seconds(command: list[str]) -> float:
    """How long a command takes from start to end."""
    began = now_ns()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return (now_ns() - began) / 1e9


def main() -> None:
    """Print both medians, and the median of the differences of pairs."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    framework = sys.argv[2] if len(sys.argv) > 2 else "pytorch"
    hardened = ["--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--init"]
    contained = ["docker", "run", "--rm", *hardened, f"levelfield-{framework}:cpu", "--list"]
    bare = [sys.executable, "-m", f"runners.{framework}", "--list"]
    pairs = [(seconds(bare), seconds(contained)) for _ in range(rounds)]
    bare_s, contained_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"bare {bare_s:.2f} s, in a container {contained_s:.2f} s")
    added = statistics.median(with_container - without for without, with_container in pairs)
    print(f"a container adds {added:.2f} s (median of {rounds} pairs)")


if __name__ == "__main__":
    main()
