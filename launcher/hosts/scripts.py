"""What is run on a host: scripts for bash, which is all that a host needs before it has this project's files."""

import shlex
from collections.abc import Mapping

from launcher.errors import ExitCode

MARK = "levelfield-answer:"
"""Begins each answer, since the files that a login shell reads may print too."""
HEARTBEAT_SECONDS = 20.0
SILENT_SECONDS = 120
"""After so long without a sign of life from here, a host ends what it runs."""
STOP = b"stop\n"
KEPT = ("lock", ".venv", ".venvs", ".sifs", "data", "results")
"""What stays on a host from one run to the next; everything else there is made equal to this project's folder."""

_FOLDER = 'folder="$HOME/.cache/levelfield"\n'
_CHOOSE_PYTHON = """\
for python in python3 python3.13 python3.12 python3.11 none; do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
done
"""

PROBE = (
    _FOLDER
    + _CHOOSE_PYTHON
    + """\
for tool in make tar gzip flock find; do
  command -v "$tool" >/dev/null || { echo "no $tool there; on Debian or Ubuntu: sudo apt-get install make tar gzip \
util-linux findutils" >&2; exit 3; }
done
[ "$python" != none ] || { echo "no Python 3.11 or newer in the PATH of its ssh sessions; \
on Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2; exit 3; }
mkdir -p "$folder" || exit 3
"""
)


def probe(place: str) -> str:
    """Ask for the time of day, the boot of the machine, and the run in this folder of results."""
    return (
        f"{PROBE}{_find_run(place)}"
        f'echo "{MARK} $(date +%s.%N) $(cat /proc/sys/kernel/random/boot_id) ${{run%/run.json}}"\n'
    )


def launch(size: int, words: list[str], variables: Mapping[str, str]) -> str:
    """Unpack the `size` bytes that follow, set the launcher up and run it.

    The launcher gets its options as variables, as from make: nobody reads them in the list of processes. It is told to
    stop by each line here that is not empty, and by the end of the connection. Its standard output would only name the
    report there.
    """
    kept = " ".join(f"! -name {name}" for name in KEPT)
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    command = shlex.join([*words, "--make", " ".join(variables)])
    return f"""\
{{
echo "{MARK}"
set -m
{_FOLDER}{_CHOOSE_PYTHON}
cd "$folder" && exec 8>lock || exit {ExitCode.NOT_READY}
flock -n 8 || {{ echo "a launcher is at work there already; wait for it, or stop it"; exit {ExitCode.NOT_READY}; }}
find . -mindepth 1 -maxdepth 1 {kept} -exec rm -rf {{}} +
said=$(head -c {size} | tar -xz --no-same-owner 2>&1) || {{
  echo "cannot unpack into $folder: ${{said%%$'\\n'*}}"; exit {ExitCode.NOT_READY}; }}
exec 7<&0
{exports}\
( make --silent .venv/host "PYTHON=$python" || exit {ExitCode.NOT_READY}
  exec .venv/bin/python -m launcher {command} >/dev/null ) </dev/null 7<&- &
launcher=$!
( while read -r -t {SILENT_SECONDS} -u 7 word; do [ -z "$word" ] || kill -TERM -- "-$launcher"; done
  kill -TERM -- "-$launcher" ) >/dev/null 2>&1 &
watch=$!
wait "$launcher" 2>/dev/null
code=$?
kill -KILL "$watch" 2>/dev/null
exit "$code"
}}
"""


def fetch(place: str) -> str:
    """Send the newest state of the run in this folder of results, without what its variants compiled."""
    pack = f'cd "${{run%/run.json}}" && echo "{MARK}" && exec tar -cz --exclude=compiled .'
    return f'{_FOLDER}{_find_run(place)}[ -n "$run" ] && {pack}\n'


def _find_run(place: str) -> str:
    return f'cd "$folder" && run=$(ls -d {shlex.quote(place)}/*/run.json 2>/dev/null | head -n 1)\n'
