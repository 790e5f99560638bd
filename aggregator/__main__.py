"""`python -m aggregator`."""

import gc
import io
import sys

from aggregator.cli import main

if isinstance(sys.stdout, io.TextIOWrapper):
    # A terminal that cannot show a sign gets another in its place, not a traceback.
    sys.stdout.reconfigure(errors="replace")
# What a command makes it needs to its end: looking for garbage in it takes time and finds next to nothing.
gc.disable()
sys.exit(main())
