"""What the page's script reads: JSON as it is or, where it is long, in gzip, which browsers unpack themselves."""

import base64
import json
import zlib

from aggregator.report.model import Packed

PLAIN = 60_000
"""Bytes of JSON that go in as they are."""


def pack(data: object, always: bool = False) -> Packed:
    """The data as JSON, packed where that is long, or `always`. Raises ValueError for a number that is none."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    if len(text) <= PLAIN and not always:
        return Packed(text)
    # Gzip without a time of day, so that the same data are the same bytes. What is long are samples, which repeat
    # nothing: packed as filtered data they take a tenth less.
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    return Packed(base64.b64encode(squeeze.compress(text.encode()) + squeeze.flush()).decode(), zipped=True)
