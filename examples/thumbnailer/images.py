"""Images as rows of bytes: PNG (8 bits, not interlaced) and PNM (P5, P6) in, PNG out."""

import struct
import zlib

SIDE_MAX = 4096
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG's colour type
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels


class Unreadable(Exception):
    """Not an image that is understood here."""


class Picture:
    """Rows of pixels with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) bytes each."""

    def __init__(self, width, channels, rows):
        self.width, self.height, self.channels, self.rows = width, len(rows), channels, rows

    def scaled_to(self, width):
        """The same picture at another width, every pixel the mean of what it covers."""
        if width == self.width:
            return self
        height = max(1, round(self.height * width / self.width))
        columns = _cuts(self.width, width)
        return Picture(width, self.channels, [self._row(top, end, columns) for top, end in _cuts(self.height, height)])

    def _row(self, top, end, columns):
        rows, channels = self.rows[top:end], self.channels
        out = bytearray()
        for left, right in columns:
            count = (right - left) * len(rows)
            for channel in range(channels):
                area = slice(left * channels + channel, right * channels, channels)
                out.append(sum(sum(row[area]) for row in rows) // count)
        return bytes(out)


def _cuts(length, count):
    """Cuts a length into parts that are as equal as they can be; none is empty."""
    edges = [part * length // count for part in range(count + 1)]
    return [(start, max(end, start + 1)) for start, end in zip(edges, edges[1:])]


def read(file):
    """A picture from the bytes of a file; raises Unreadable."""
    try:
        if file.startswith(_SIGNATURE):
            return _from_png(file)
        if file[:2] in (b"P5", b"P6"):
            return _from_pnm(file)
    except (struct.error, zlib.error, IndexError, ValueError) as error:
        raise Unreadable(f"it is damaged ({error})") from error
    raise Unreadable("it is neither PNG nor PNM (P5, P6)")


def _check_size(width, height):
    if not (1 <= width <= SIDE_MAX and 1 <= height <= SIDE_MAX):
        raise Unreadable(f"its sides are {width} and {height}, from 1 to {SIDE_MAX} are possible")


def _from_pnm(file):
    fields, at = [], 2
    while len(fields) < 3:
        while file[at : at + 1].isspace():
            at += 1
        if file[at : at + 1] == b"#":
            at = file.index(b"\n", at)
            continue
        end = at
        while file[end : end + 1].isdigit():
            end += 1
        fields.append(int(file[at:end]))
        at = end
    (width, height, white), channels = fields, 1 if file[:2] == b"P5" else 3
    _check_size(width, height)
    if white != 255:
        raise Unreadable("only 8 bits per channel are understood")
    length, start = width * channels, at + 1
    if len(file) < start + length * height:
        raise Unreadable("it ends too early")
    return Picture(width, channels, [file[start + row * length : start + (row + 1) * length] for row in range(height)])


def _chunks(file):
    at = len(_SIGNATURE)
    while at < len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        yield kind, file[at + 8 : at + 8 + length]
        at += 12 + length


def _from_png(file):
    header, palette, packed = None, b"", bytearray()
    for kind, content in _chunks(file):
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", content)
        elif kind == b"PLTE":
            palette = content
        elif kind == b"IDAT":
            packed += content
    if header is None:
        raise Unreadable("it has no header")
    width, height, depth, colour, _, _, interlaced = header
    _check_size(width, height)
    if depth != 8 or interlaced or colour not in _CHANNELS:
        raise Unreadable("only 8 bits per channel, not interlaced, are understood")
    channels = _CHANNELS[colour]
    length = width * channels
    expected = (length + 1) * height
    pixels = zlib.decompressobj().decompress(bytes(packed), expected)
    if len(pixels) < expected:
        raise Unreadable("it ends too early")
    rows, above = [], bytes(length)
    for row in range(height):
        start = row * (length + 1)
        above = _unfiltered(pixels[start], pixels[start + 1 : start + 1 + length], above, channels)
        rows.append(above)
    if colour != 3:
        return Picture(width, channels, rows)
    return Picture(width, 3, [b"".join(palette[index * 3 : index * 3 + 3].ljust(3, b"\0") for index in row) for row in rows])


def _unfiltered(kind, line, above, step):
    """Undoes one of PNG's five filters."""
    out = bytearray(line)
    for at, value in enumerate(line):
        left = out[at - step] if at >= step else 0
        up, corner = above[at], above[at - step] if at >= step else 0
        if kind == 1:
            out[at] = (value + left) & 255
        elif kind == 2:
            out[at] = (value + up) & 255
        elif kind == 3:
            out[at] = (value + (left + up) // 2) & 255
        elif kind == 4:
            out[at] = (value + _paeth(left, up, corner)) & 255
        elif kind:
            raise Unreadable(f"it has a filter {kind}, which there is not")
    return bytes(out)


def _paeth(left, up, corner):
    guess = left + up - corner
    return min((left, up, corner), key=lambda candidate: abs(guess - candidate))


def to_png(picture):
    """A picture as the bytes of a PNG file."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, _COLOUR_TYPES[picture.channels], 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in picture.rows), 9)
    return _SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
