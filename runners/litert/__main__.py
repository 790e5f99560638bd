from runners.harness.cli import main
from runners.litert.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
