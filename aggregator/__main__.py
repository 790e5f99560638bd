"""`python -m aggregator`."""

import io
import sys

from aggregator.cli import main

if isinstance(sys.stdout, io.TextIOWrapper):
    # A terminal that cannot show a sign gets another in its place, not a traceback.
    sys.stdout.reconfigure(errors="replace")
sys.exit(main())
