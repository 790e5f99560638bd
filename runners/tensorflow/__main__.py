from runners.harness.cli import main
from runners.tensorflow.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
