from runners.harness.cli import main
from runners.onnxruntime.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
