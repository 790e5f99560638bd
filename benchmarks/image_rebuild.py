"""How long an image takes to build again after a change of code, in a copy of the tree.

    .venv/bin/python -m benchmarks.image_rebuild [rounds] [framework]

It needs the framework's image, so that only the changed layers are built.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from runners.harness.clock import now_ns

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Print the median time of several rebuilds, each after a new change."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    framework = sys.argv[2] if len(sys.argv) > 2 else "pytorch"
    tag = f"levelfield-rebuild-{framework}"
    times = []
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for part in ("images", "runners", ".dockerignore"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, tree / part)
        build = ["docker", "build", "-q", "-t", tag, "--build-arg", f"FRAMEWORK={framework}"]
        build += ["-f", "images/Dockerfile", "."]
        built = [subprocess.run(build, check=True, capture_output=True, text=True, cwd=tree).stdout.strip()]
        for _ in range(rounds):
            changed = tree / "runners" / framework / "infer.py"
            changed.write_text(changed.read_text() + f"# {now_ns()}\n")
            began = now_ns()
            built.append(subprocess.run(build, check=True, capture_output=True, text=True, cwd=tree).stdout.strip())
            times.append((now_ns() - began) / 1e9)
        subprocess.run(["docker", "image", "rm", "--force", *built], check=True, capture_output=True)
    spread = f"{min(times):.1f} to {max(times):.1f} s"
    print(f"{framework}: rebuilt in {statistics.median(times):.1f} s, median of {rounds} ({spread})")


if __name__ == "__main__":
    main()
