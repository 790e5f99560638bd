from runners.dali.framework import FRAMEWORK
from runners.harness.cli import main

raise SystemExit(main(FRAMEWORK))
