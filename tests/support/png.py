"""Just enough of PNG to say whether a picture shows anything."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from itertools import pairwise

_PIXEL = {2: 3, 6: 4}  # bytes of a pixel by the colour type, 8 bits a channel


def size(png: bytes) -> tuple[int, int]:
    """Width and height."""
    width, height = struct.unpack(">II", png[16:24])
    return int(width), int(height)


def colours(png: bytes) -> Counter[bytes]:
    """How often each colour is there."""
    width, height = size(png)
    pixel = _PIXEL[png[25]]
    data, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw, row = zlib.decompress(data), bytes(width * pixel)
    found: Counter[bytes] = Counter()
    for line in range(height):
        start = line * (width * pixel + 1)
        row = _unfiltered(raw[start], raw[start + 1 : start + 1 + width * pixel], row, pixel)
        found.update(row[one:two] for one, two in pairwise(range(0, len(row) + 1, pixel)))
    return found


def _unfiltered(kind: int, line: bytes, above: bytes, pixel: int) -> bytes:
    """https://www.w3.org/TR/png/#9Filters"""
    if kind == 0:
        return line
    out = bytearray(line)
    if kind == 2:
        return bytes((one + two) & 255 for one, two in zip(line, above, strict=True))
    for at in range(len(line)):
        left = out[at - pixel] if at >= pixel else 0
        corner = above[at - pixel] if at >= pixel else 0
        guess = (left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[(kind - 1) % 4]
        out[at] = (line[at] + guess) & 255
    return bytes(out)


def _paeth(left: int, above: int, corner: int) -> int:
    whole = left + above - corner
    return min((left, above, corner), key=lambda each: abs(whole - each))


def is_empty(png: bytes) -> bool:
    """Whether there is almost nothing but one colour."""
    found = colours(png)
    return len(found) < 20 or found.most_common(1)[0][1] > 0.995 * found.total()
