from runners.harness.cli import main
from runners.pytorch.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
