"""The types of features in the curated schema, and how text is parsed as one of them."""

import json
import re
from dataclasses import dataclass
from typing import Literal

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

TypeName = Literal["INT", "FLOAT", "BYTES"]

ARROW = {"INT": pa.int64(), "FLOAT": pa.float32(), "BYTES": pa.binary()}
"""The Arrow type of each feature type."""

_INT = re.compile(r"-?[0-9]{1,19}")
FLOAT_PATTERN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""Finite numbers, as an expression that must match a whole text."""
_FLOAT = re.compile(FLOAT_PATTERN)
FLOAT32_LIMIT = 3.4028235677973366e38
"""The smallest double that rounds to an infinite float32."""
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_NOTHING = frozenset({"", "nan", "na", "n/a", "null", "none", "nil", "nat", "-", "?", "missing", "unknown"})


@dataclass(frozen=True)
class FeatureType:
    """The type of one feature, and whether the schema allows NaN and infinity."""

    name: TypeName
    nan: bool = False
    inf: bool = False

    def parse(self, text: str) -> int | float | bytes:
        """Parse text as a value of this type; ValueError for any other text."""
        if self.name == "INT":
            return _integer(text)
        if self.name == "FLOAT":
            return self._number(text)
        return text.encode()

    def _number(self, text: str) -> float:
        if _NOT_FINITE.fullmatch(text):
            is_nan = "nan" in text.lower()
            if not (self.nan if is_nan else self.inf):
                raise ValueError(
                    f"wanted a finite number, got {text!r}{_missing(text)}; if it is a value, allow it in the schema "
                    f"with float_domain {{ {'disallow_nan' if is_nan else 'disallow_inf'}: false }}"
                )
            return float(text)
        if not _FLOAT.fullmatch(text):
            raise ValueError(f"wanted a FLOAT as the schema says, got {text!r}{_missing(text)}")
        value = float(text)
        if abs(value) >= FLOAT32_LIMIT:
            raise ValueError(f"wanted a number that fits 32 bits, got {text!r}")
        return value


def _integer(text: str) -> int:
    if not _INT.fullmatch(text):
        raise ValueError(f"wanted an INT as the schema says, got {text!r}{_missing(text)}")
    value = int(text)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"wanted an INT of 64 bits, got {text!r}")
    return value


def _missing(text: str) -> str:
    """Return a hint for a text that often means a missing value; "" for any other text."""
    if text.strip().lower() not in _NOTHING:
        return ""
    return f'; if it means a missing value, write ingest_examples.missing: ["", {json.dumps(text)}]'


def feature_types(schema: schema_pb2.Schema) -> dict[str, FeatureType]:
    """Return the type of each feature of a schema that is INT, FLOAT or BYTES."""
    type_names: dict[int, TypeName] = {schema_pb2.INT: "INT", schema_pb2.FLOAT: "FLOAT", schema_pb2.BYTES: "BYTES"}
    return {
        feature.name: FeatureType(
            type_names[feature.type],
            nan=_allows(feature.float_domain, "disallow_nan"),
            inf=_allows(feature.float_domain, "disallow_inf"),
        )
        for feature in schema.feature
        if feature.type in type_names
    }


def _allows(domain: schema_pb2.FloatDomain, rule: str) -> bool:
    """Whether a domain explicitly sets the rule to false; unset means not allowed."""
    return bool(domain.HasField(rule)) and not getattr(domain, rule)
