"""The examples that a server was sent: TFRecord files, each of which is read as a shard of its own."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from artifacts.examples import tfrecord
from artifacts.spans.files import SourceFile, file_digest, open_regular, resolve
from core import digest, objects, user_code
from core.errors import CorruptArtifact, DataError
from core.object_stores import locations
from core.object_stores.locations import Location


class Served(NamedTuple):
    """Files of examples, and the digest that the run is pinned to."""

    pattern: str
    """A path or an address; with `*` or `?` where there are several files."""
    files: tuple[SourceFile, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(locations.size(file.path) for file in self.files)

    def check(self, digests: Mapping[str, str]) -> None:
        """Raise DataError when the digests of the files, by their names, are not those that the run is pinned to."""
        is_one = not re.search(r"[*?]", self.pattern)
        got = next(iter(digests.values())) if is_one else digest.of_named(digests)
        if got != self.digest:
            raise DataError(
                f"{self.pattern}: compute_statistics.serving is pinned to {self.digest}, but the {len(digests)} "
                f"file{'s' * (len(digests) > 1)} there are {got}; restore them, or name that digest"
            )


def served(reference: str) -> Served | None:
    """Return the files of a reference such as `path@sha256:<hex>`, None for an empty one; DataError where are none."""
    if not reference:
        return None
    wanted = user_code.digest_of(reference)
    name = reference.removesuffix(f"@{wanted}")
    pattern = name if objects.is_address(name) else str(user_code.ROOT / name)
    return Served(pattern, resolve(pattern, None, 1, spanless=True).files, wanted)


def digests(found: Served) -> dict[str, str]:
    """Return the digest of each file by its name."""
    return {file.name: file_digest(file.path) for file in found.files}


def batches(file: Location, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the examples of a file in batches, every feature a list; CorruptArtifact names a damaged file."""
    decoder = ExamplesToRecordBatchDecoder(None)
    with open_regular(file) as stream:
        records = (record for _, record in tfrecord.read(stream, file))
        while block := list(islice(records, batch_rows)):
            try:
                yield decoder.DecodeBatch(block)
            except (RuntimeError, ValueError) as error:
                raise CorruptArtifact(f"{file}: wanted tf.Examples, got something else: {error}") from error
