"""`python -m launcher`."""

import sys

from launcher.isolation import isolate

try:
    isolate()
    from launcher.cli import main

    code = main()
except KeyboardInterrupt:
    code = 130
sys.exit(code)
