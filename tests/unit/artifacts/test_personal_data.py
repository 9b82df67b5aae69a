"""Everything that is planted is found, wherever it lies, and ordinary data is not taken for it."""

import gzip
import random
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.personal_data import columns, files
from artifacts.personal_data.detectors import DETECTORS, found_in, telling_names
from artifacts.personal_data.finding import Finding
from tests.backtracking import can_backtrack

PLANTED = {
    "canary-0123456789abcdef": "canary",
    "jane.doe+flights@mail.example.com": "e-mail address",
    "+49 170 1234567": "telephone number",
    "+14155550123": "telephone number",
    "(415) 555-0123": "telephone number",
    "DE89 3704 0044 0532 0130 00": "bank account",
    "GB29NWBK60161331926819": "bank account",
    "4111 1111 1111 1111": "payment card",
    "378282246310005": "payment card",
    "123-45-6789": "social security number",
    "203.0.113.195": "IP address",
}
NEIGHBOURS = st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: text.encode())
ORDINARY = (
    '{"auc": 0.6746518501132375, "log_loss": 4.111111111111111e-05, "at": "2013-10-08T06:00:00Z", "rows": 27564}',
    "sha256:0e1d73a6268e24e10f6cfac05862bd8626cc082d22515c3e6e9521e407e61241",
    "TensorFlow 2.16.2, numpy 1.26.4, on http://127.0.0.1:8501/v1/models, 1e+10000000000",
    "4111111111111112 000-12-3456 666-12-3456 999.1.1.1 DE00370400440532013000 user@localhost @property",
    "span-00004-00000-of-00001.gz 1380000000000000 1385581200123456",
)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_no_detector_can_backtrack(detector: object) -> None:
    assert not can_backtrack(detector.pattern.pattern)


@given(st.sampled_from(sorted(PLANTED)), NEIGHBOURS, NEIGHBOURS)
def test_what_is_planted_is_found_between_any_texts(planted: str, before: bytes, after: bytes) -> None:
    assert found_in(before + b" " + planted.encode() + b"\n" + after)[PLANTED[planted]] >= 1


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_data_is_not_taken_for_it(text: str) -> None:
    assert not found_in(text.encode())


def test_it_is_found_at_the_end_of_a_sentence_and_in_quotes() -> None:
    assert found_in(b'Ask jane@example.com. Or "joe@example.org".')["e-mail address"] == 2


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_a_file_is_searched_over_the_borders_of_chunks(tmp_path: Path, is_gzipped: bool) -> None:
    canaries = [f" canary-{number:016x} ".encode() for number in range(9)]
    path = tmp_path / "log"
    content = bytearray(b"x " * (10 << 19))
    for number, canary in enumerate(canaries):
        border = (number + 1) << 20
        content[border - 3 * number : border - 3 * number + len(canary)] = canary
    path.write_bytes(gzip.compress(content, 1) if is_gzipped else bytes(content))
    assert list(files.in_file(path, "log")) == [Finding("canary", "log", len(canaries))]


def test_random_bytes_hold_nothing_but_a_planted_canary_is_found_in_them(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(1 << 21)
    (tmp_path / "weights").write_bytes(noise)
    (tmp_path / "vocabulary").write_bytes(noise + b"\0 canary-00ff00ff00ff00ff \0")
    assert list(files.in_folder(tmp_path, "model")) == [Finding("canary", "model/vocabulary", 1)]


def test_values_are_counted_by_feature_and_never_repeated() -> None:
    texts = pa.array([[b"jane@example.com"], [b"LGA"], None, [b"jane@example.com"], [b"\xff\xfejane@example.com"]])
    cards = pa.array([[4111111111111111], [5], [], [7], [None]], pa.list_(pa.int64()))
    batch = pa.RecordBatch.from_arrays([texts, cards], ["dest", "number"])
    found = list(columns.in_batches([batch, batch]))
    assert found == [Finding("e-mail address", "examples/dest", 4), Finding("payment card", "examples/number", 2)]


def test_names_of_features_say_that_they_are_about_a_person() -> None:
    names = ["customer_email", "dest", "Phone-Number", "emailed", "telephone", "seats"]
    assert telling_names(names) == ["customer_email", "Phone-Number", "telephone"]
