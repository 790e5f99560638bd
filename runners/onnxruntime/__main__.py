"""`python -m runners.onnxruntime`: one replicate of one case."""

from runners.harness.cli import main
from runners.onnxruntime.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
