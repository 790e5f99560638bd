from runners.harness.cli import main
from runners.jax.framework import FRAMEWORK

raise SystemExit(main(FRAMEWORK))
