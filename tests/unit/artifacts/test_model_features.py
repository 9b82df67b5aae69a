"""A model's features: every name and every value can be served, and a file of version 1 can still be read."""

import json
import keyword
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.model.features import Feature, Features, read_features
from artifacts.model.names import FEATURES
from artifacts.model.request import tensors
from artifacts.model.rows import from_json, to_json
from artifacts.model.schema_features import schema_features
from core.errors import CorruptArtifact, SchemaError

NAMES = [
    "petal length (cm)",
    "größe",
    "_c0",
    "class",
    "from",
    "x",
    "X",
    "price_$",
    "price",
    "self",
    "1a",
    "日本",
    "a.b",
]


def schema(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text + ' feature { name: "y" type: INT shape { dim { size: 1 } } }', schema_pb2.Schema())


@given(st.lists(st.one_of(st.sampled_from(NAMES), st.text(min_size=1)), unique=True, min_size=1))
def test_every_set_of_names_gets_valid_tensor_names(names: list[str]) -> None:
    read = schema_pb2.Schema()
    for name in [*(name for name in names if name != "y"), "y"]:
        read.feature.add(name=name, type=schema_pb2.INT)
    features = schema_features(read, "y")
    arguments = [name for feature in features for name in (feature.tensor, feature.count)]
    assert len({argument.casefold() for argument in arguments}) == len(arguments)
    for argument in arguments:
        assert argument.isascii()
        assert argument.isidentifier()
        assert argument[0].isalpha()
        assert not keyword.iskeyword(argument)


@pytest.mark.parametrize(
    ("text", "shape", "required", "count"),
    [
        ("shape { dim { size: 1 } }", (), True, ""),
        ("shape { dim { size: 4 } }", (4,), True, ""),
        ("value_count { min: 1 max: 1 }", (), False, "f__count"),
        ("value_count { min: 0 max: 3 }", (None,), False, "f__count"),
        ("", (None,), False, "f__count"),
    ],
)
def test_the_shape_follows_from_the_schema(
    text: str, shape: tuple[int | None, ...], required: bool, count: str
) -> None:
    [feature] = schema_features(schema(f'feature {{ name: "f" type: FLOAT {text} }}'), "y")
    assert (feature.shape, feature.required, feature.count) == (shape, required, count)


def test_label_weight_and_features_outside_serving_are_left_out() -> None:
    text = """
        feature { name: "w" type: FLOAT } feature { name: "a" type: INT }
        feature { name: "late" type: INT not_in_environment: "SERVING" }
        default_environment: "SERVING"
    """
    assert [feature.name for feature in schema_features(schema(text), "y", "w")] == ["a"]
    with pytest.raises(SchemaError, match=r"problem.weight 'ww'"):
        schema_features(schema(text), "y", "ww")


@given(st.one_of(st.binary(), st.integers(-(2**63), 2**63 - 1)))
def test_no_value_is_reserved_for_missing(value: bytes | int) -> None:
    dtype = "string" if isinstance(value, bytes) else "int64"
    single, several = (Feature("f", dtype, False, shape, "f", "n") for shape in ((), (None,)))  # type: ignore[arg-type, var-annotated]
    fed = tensors(single, [value, None])
    assert (fed["f"].tolist()[0], fed["n"].tolist()) == (value, [1, 0])
    fed = tensors(several, [[value, value], [], None])
    assert (fed["f"].tolist()[0], fed["n"].tolist()) == ([value, value], [2, 0, 0])


@given(st.lists(st.one_of(st.binary(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))))
def test_values_survive_json(values: list[bytes | int | float]) -> None:
    assert from_json(json.loads(json.dumps(to_json(values)))) == values


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    features = Features(
        (
            Feature("a b", "string", False, (None,), "a_b", "a_b__count", ("x", "y")),
            Feature("v", "float32", True, (4,), "v"),
        ),
        "y",
        "multiclass_classification",
        ("red", "blue"),
        "examples",
    )
    features.write(tmp_path)
    assert read_features(tmp_path) == features
    assert read_features(tmp_path / "elsewhere") is None


def test_version_1_is_read_and_a_later_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FEATURES
    path.parent.mkdir()
    path.write_text(
        '{"features": [{"name": "n", "dtype": "int", "required": false}], "label": "y", "task": "regression"}'
    )
    read = read_features(tmp_path)
    assert read is not None
    assert (read.version, read.features[0].count) == (1, "")
    assert tensors(read.features[0], [None, 5])["n"].tolist() == [-1, 5]
    path.write_text('{"version": 3, "features": []}')
    with pytest.raises(CorruptArtifact, match="reads 1 and 2"):
        read_features(tmp_path)


@pytest.mark.parametrize(
    ("tags", "personal"),
    [
        ([], "no"),
        (["pii reviewed"], "no"),
        (["personal"], "drop"),
        (["personal:hash"], "hash"),
        (["personal:hash", "personal"], "drop"),
    ],
)
def test_a_tag_of_the_schema_is_carried_to_whoever_reads_the_model(
    tags: list[str], personal: str, tmp_path: Path
) -> None:
    read = schema('feature { name: "f" type: BYTES shape { dim { size: 1 } } }')
    read.feature[0].annotation.tag.extend(tags)
    features = schema_features(read, "y")
    Features(features, "y").write(tmp_path)
    found = read_features(tmp_path)
    assert found is not None
    assert [feature.personal for feature in found.features] == [personal]


def test_a_model_that_does_not_say_what_is_personal_is_unknown_and_not_free_of_it(tmp_path: Path) -> None:
    Features((Feature("f", "string", personal="no"),), "y").write(tmp_path)
    for word in (None, "newer"):
        content = json.loads((tmp_path / FEATURES).read_bytes())
        content["features"][0].pop("personal")
        if word:
            content["features"][0]["personal"] = word
        (tmp_path / FEATURES).write_text(json.dumps(content))
        found = read_features(tmp_path)
        assert found is not None
        assert found.features[0].personal == "unknown"
        content["features"][0]["personal"] = "no"
        (tmp_path / FEATURES).write_text(json.dumps(content))


def test_a_tag_that_nobody_obeys_stops_training() -> None:
    with pytest.raises(SchemaError, match="wanted the tag personal or personal:hash, got 'personal:hsh'"):
        schema_features(schema('feature { name: "f" type: BYTES annotation { tag: "personal:hsh" } }'), "y")
    with pytest.raises(SchemaError, match="wanted the type INT or BYTES with the tag personal:hash, got FLOAT"):
        schema_features(schema('feature { name: "f" type: FLOAT annotation { tag: "personal:hash" } }'), "y")
