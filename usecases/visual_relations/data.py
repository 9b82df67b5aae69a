"""Puts the data where the pipeline looks for it: one Parquet file a delivery, of scenes with the bytes of a PNG."""

import csv
import gzip
import io
import struct
import zlib
from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans, package_file

SPANS = (1, 2, 3, 4)
PATTERN = "scenes-{SPAN}.parquet"
SCENES = 900
"""Per delivery."""
WHITEST = 16


def write_spans(folder: Path) -> None:
    """Write the deliveries that are not there yet; DataError when scikit-learn's data file is missing."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        with gzip.open(package_file("sklearn", "datasets/data/digits.csv.gz"), "rt", encoding="ascii") as stream:
            rows = [[int(float(cell)) for cell in row] for row in csv.reader(stream)]
        deliver(folder, PATTERN, missing, lambda span: _parquet(rows, span))


def _parquet(rows: list[list[int]], delivery: int) -> bytes:
    """Compose scenes of the digits of one delivery, which are by few people, mostly others than those before."""
    import pyarrow_hotfix  # noqa: F401, PLC0415 - Arrow takes longer to import than a rerun may take
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    from usecases.visual_relations.scenes import SIDE, Picture, scenes  # noqa: PLC0415

    size = -(-len(rows) // len(SPANS))
    digits: dict[int, list[Picture]] = {digit: [] for digit in range(10)}
    for row in rows[(delivery - 1) * size : delivery * size]:
        ink = np.array(row[:-1], np.int64).reshape(SIDE, SIDE) * 255 // WHITEST
        digits[row[-1]].append(ink.astype(np.uint8))
    found = list(scenes(digits, SCENES, seed=delivery))
    columns = {
        "relation": pa.array([scene.relation for scene in found], pa.string()),
        "subject": pa.array([str(scene.subject) for scene in found], pa.string()),
        "object": pa.array([str(scene.object) for scene in found], pa.string()),
        "image": pa.array([png(scene.picture.tobytes(), *scene.picture.shape) for scene in found], pa.binary()),
    }
    for place, side in enumerate("xywh"):
        columns[f"subject_{side}"] = pa.array([scene.subject_box[place] for scene in found], pa.int64())
        columns[f"object_{side}"] = pa.array([scene.object_box[place] for scene in found], pa.int64())
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, compression="zstd")
    return stream.getvalue()


def png(pixels: bytes, height: int, width: int) -> bytes:
    """Return a gray picture, one byte a pixel, as a PNG."""
    rows = b"".join(b"\0" + pixels[start : start + width] for start in range(0, height * width, width))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
