from runners.harness.cli import main
from runners.openvino.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
