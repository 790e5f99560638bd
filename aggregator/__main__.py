"""`python -m aggregator`."""

import gc
import io
import os
import sys

try:
    from aggregator.cli import main

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a sign gets another in its place, not a traceback.
        sys.stdout.reconfigure(errors="replace")
    # What a command makes it needs to its end: looking for garbage in it takes time and finds next to nothing.
    gc.disable()
    code = main()
except ModuleNotFoundError as error:
    # Another Python than the project's: foreseeable, and 1 would say that some cases failed.
    missing = f"the Python package {error.name!r} is not installed here"
    print(
        f"aggregator: {missing}; `make setup` installs it into .venv: .venv/bin/python -m aggregator", file=sys.stderr
    )
    sys.exit(3)
except KeyboardInterrupt:  # while modules were loaded, or past the command's end
    print("aggregator: stopped", file=sys.stderr)
    # Python would end by the signal itself where it came while a library ran code that it makes.
    os._exit(130)
# All is written. To take a hundred thousand records apart piece by piece would take half a second.
os._exit(code)
