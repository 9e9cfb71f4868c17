"""Just enough of PNG to say whether a picture shows anything, and to make it small."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

_PIXEL = {2: 3, 3: 1, 6: 4}  # bytes of a pixel by the colour type, 8 bits a channel
_PALETTE = 3
_MOST_COLOURS = 256


def size(png: bytes) -> tuple[int, int]:
    """Width and height."""
    width, height = struct.unpack(">II", png[16:24])
    return int(width), int(height)


def colours(png: bytes) -> Counter[bytes]:
    """How often each colour is there."""
    return Counter(pixel for row in _rows(png) for pixel in row)


def paletted(png: bytes) -> bytes:
    """The same picture with the 256 colours that it has most of, any other as the next one of these."""
    rows = list(_rows(png))
    counts = Counter(pixel for row in rows for pixel in row)
    palette = [colour for colour, _ in counts.most_common(_MOST_COLOURS)]
    number = {colour: at for at, colour in enumerate(palette)}
    for colour in counts.keys() - number.keys():
        number[colour] = number[min(palette, key=lambda each: _distance(each, colour))]
    width, height = size(png)
    lines = b"".join(b"\0" + bytes(number[pixel] for pixel in row) for row in rows)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)),
        (b"PLTE", b"".join(colour[:3] for colour in palette)),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    written = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return png[:8] + b"".join(written)


def _distance(one: bytes, two: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, two, strict=True))


def _rows(png: bytes) -> Iterator[list[bytes]]:
    """The pixels of each row, from the top."""
    width, height = size(png)
    pixel = _PIXEL[png[25]]
    data, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw, row = zlib.decompress(data), bytes(width * pixel)
    for line in range(height):
        start = line * (width * pixel + 1)
        row = _unfiltered(raw[start], raw[start + 1 : start + 1 + width * pixel], row, pixel)
        yield [row[one:two] for one, two in pairwise(range(0, len(row) + 1, pixel))]


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
