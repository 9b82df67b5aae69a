"""A schema without some features: as a reference of a run, and as a text that a person keeps."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.schema.disabling import disabled
from artifacts.schema.reference import left_out_by, read_referenced, referenced_file, without_features
from artifacts.schema.schema_file import read_schema
from core import user_code
from core.errors import SchemaError

TEXT = """# Curated.
feature {
  name: "a#b"   # a name with the sign of comments
  type: INT
}
feature { name: "c" type: FLOAT }   # one line
feature {
  type: BYTES
  name: 'd'
  lifecycle_stage: BETA   # to see
}
string_domain { name: "c" value: "x" }
"""


def test_only_the_lines_of_the_features_change() -> None:
    text = disabled(TEXT, {"a#b": "always\n7", "c": "", "d": "twin of c"})
    added = [line for line in text.splitlines() if line not in TEXT.splitlines()]
    assert added == [
        "  lifecycle_stage: DISABLED  # always 7",
        'feature { name: "c" lifecycle_stage: DISABLED type: FLOAT }   # one line',
        "  lifecycle_stage: DISABLED  # twin of c",
    ]
    assert disabled(text, {"a#b": "always\n7", "c": "", "d": "twin of c"}).count("DISABLED") == 3
    assert disabled(TEXT, {}) == TEXT


@given(st.sets(st.sampled_from(["a#b", "c", "d"])))
def test_the_text_says_what_the_message_would(names: set[str]) -> None:
    wanted = text_format.Parse(TEXT, schema_pb2.Schema())
    for feature in wanted.feature:
        if feature.name in names:
            feature.lifecycle_stage = schema_pb2.DISABLED
    assert text_format.Parse(disabled(TEXT, dict.fromkeys(names, "why")), schema_pb2.Schema()) == wanted


def test_a_feature_that_is_not_there_or_cannot_be_edited_is_named() -> None:
    with pytest.raises(SchemaError, match="no feature e; select features again"):
        disabled(TEXT, {"e": ""})
    with pytest.raises(SchemaError, match="write `lifecycle_stage: DISABLED` into the blocks of f by hand"):
        disabled('feature { type: INT\n name\n :\n "f" }\n', {"f": ""})


def test_a_reference_leaves_out_features_of_any_name(tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text('feature { name: "a,b;without=c" type: INT }\nfeature { name: "d" type: INT }\n', encoding="utf-8")
    plain = user_code.reference(path)
    reference = without_features(plain, ["a,b;without=c"])
    assert left_out_by(reference) == ("a,b;without=c",)
    stages = [feature.lifecycle_stage for feature in read_referenced(reference).feature]
    assert stages == [schema_pb2.DISABLED, schema_pb2.UNKNOWN_STAGE]
    assert without_features(plain, []) == plain
    assert left_out_by(without_features(reference, ["d"])) == ("a,b;without=c", "d")
    assert referenced_file(plain, tmp_path) == path
    (tmp_path / "run").mkdir()
    assert read_schema(referenced_file(reference, tmp_path / "run")) == read_referenced(reference)
