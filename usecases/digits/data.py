"""Puts the data where the pipeline looks for it: one Parquet file a delivery, each picture as the bytes of a PNG.

The digits (UCI, CC BY 4.0) are read from scikit-learn's data file. It names no writers, but its rows stand in the
order of the collection, so that a delivery is by few people, mostly others than those of the deliveries before.
"""

import csv
import gzip
import io
import struct
import zlib
from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans, package_file

SPANS = (1, 2, 3, 4)
PATTERN = "digits-{SPAN}.parquet"
SIDE = 8
WHITEST = 16
"""The file counts, for each of 8 x 8 fields, how many of its 4 x 4 pixels have ink."""
LIGHT, HEAVY = 0.29, 0.32
"""Shares of ink that part the digits into about three thirds."""


def write_spans(folder: Path) -> None:
    """Write the deliveries that are not there yet; DataError when scikit-learn's data file is missing."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        with gzip.open(package_file("sklearn", "datasets/data/digits.csv.gz"), "rt", encoding="ascii") as stream:
            digits = [[int(float(cell)) for cell in row] for row in csv.reader(stream)]
        deliver(folder, PATTERN, missing, lambda span: _parquet(digits, span))


def png(pixels: list[int], side: int) -> bytes:
    """Return a gray picture of side x side pixels, each 0 to 255, as a PNG."""
    rows = b"".join(b"\0" + bytes(pixels[start : start + side]) for start in range(0, side * side, side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _parquet(digits: list[list[int]], delivery: int) -> bytes:
    import pyarrow_hotfix  # noqa: F401, PLC0415 - Arrow takes longer to import than a rerun may take
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    size = -(-len(digits) // len(SPANS))
    rows = digits[(delivery - 1) * size : delivery * size]
    columns = {
        "digit": pa.array([row[-1] for row in rows], pa.int64()),
        "image": pa.array([png([cell * 255 // WHITEST for cell in row[:-1]], SIDE) for row in rows], pa.binary()),
        "ink": pa.array([_ink(row[:-1]) for row in rows], pa.string()),
    }
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, compression="zstd")
    return stream.getvalue()


def _ink(cells: list[int]) -> str:
    """Name the weight of the pen: it belongs to a writer, and makes the slices of the evaluation."""
    share = sum(cells) / (len(cells) * WHITEST)
    return "light" if share < LIGHT else "medium" if share < HEAVY else "heavy"
