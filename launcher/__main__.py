"""`python -m launcher`."""

import sys

try:
    from launcher.cli import main

    code = main()
except KeyboardInterrupt:
    code = 130
sys.exit(code)
