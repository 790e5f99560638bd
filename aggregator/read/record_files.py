"""Records from files: regular ones alone, in order of name."""

import os
from pathlib import Path

from aggregator.read.parse import BadRecord, NewerSchema, parse_record
from aggregator.read.sharing import Sharing
from runners.harness.files import read_regular
from runners.harness.record import RECORD_BYTES, Record

Good = list[tuple[str, Record]]
Bad = list[tuple[str, BadRecord]]


def read_records(folder: Path) -> tuple[Good, Bad]:
    """Each usable record of `folder` and each unusable file, by file name. Links and special files are not followed.

    Raises NewerSchema, which names the file.
    """
    good: Good = []
    names, bad = record_files(folder)
    sharing = Sharing()
    for name in names:
        try:
            record = parse_record(read_regular(folder / name, RECORD_BYTES))
        except NewerSchema as error:
            raise NewerSchema(f"{folder / name}: {error}") from error
        except BadRecord as error:
            bad.append((name, error))
        except OSError as error:
            bad.append((name, BadRecord(f"cannot be read ({error.strerror})")))
        else:
            sharing.share(record)
            good.append((name, record))
    return good, bad


def record_files(folder: Path) -> tuple[list[str], Bad]:
    """Names of the regular files *.json, in order; links and special files are named among the bad."""
    if folder.is_symlink():
        return [], [(folder.name, BadRecord("is a link, not a folder; not followed"))]
    if not folder.is_dir():
        return [], []
    try:
        with os.scandir(folder) as entries:
            kinds = {
                entry.name: entry.is_file(follow_symlinks=False)
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(".")
            }
    except OSError as error:
        return [], [(folder.name, BadRecord(f"cannot be read ({error.strerror})"))]
    names = sorted(kinds, key=os.fsencode)
    odd = BadRecord("not a regular file; links are not followed")
    return [name for name in names if kinds[name]], [(name, odd) for name in names if not kinds[name]]
