"""Texts and images are compared by what is derived from them: their own values are all different and show no change."""

from collections.abc import Callable
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.compute_statistics.config import Config as StatisticsConfig
from components.compute_statistics.logic import compute
from components.ingest_examples.config import Config as IngestConfig
from components.ingest_examples.logic import PinnedSource, ingest
from components.validate_data.config import Config
from components.validate_data.logic import Outputs, validate
from core.decision import Decision, Verdict
from core.errors import DataError, SchemaError

SCHEMA = """\
feature { name: "text" type: BYTES presence { min_fraction: 1 min_count: 1 } natural_language_domain {} }
feature { name: "image" type: BYTES presence { min_fraction: 1 min_count: 1 } image_domain {} }
feature {
  name: "label"
  type: INT
  presence { min_fraction: 1 min_count: 1 }
  int_domain { is_categorical: true }
  drift_comparator { infinity_norm { threshold: 0.3 } }
}
"""
DERIVED = """\
feature {{
  name: "{source}/{deriver}"
  type: {kind}
  lifecycle_stage: VALIDATION_DERIVED
  validation_derived_source {{ deriver_name: "{deriver}" source_path {{ step: "{source}" }} }}
  drift_comparator {{ {measure} {{ threshold: {bound} }} }}
}}
"""
TEXT = "natural_language_domain {}"
OWN_VALUES = "drift_comparator { infinity_norm { threshold: 0.1 } }"
SHARE = "infinity_norm"
NUMBER = "jensen_shannon_divergence"
DECLARED = [
    ("text", "word_count", "INT", NUMBER, 0.2),
    ("text", "unseen_words", "FLOAT", SHARE, 0.3),
    ("image", "brightness", "FLOAT", NUMBER, 0.2),
    ("image", "width", "INT", NUMBER, 0.1),
]
VOCABULARY = [f"word{number}" for number in range(50)]
ROWS = 400

Columns = dict[str, list[object]]


def png(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    import tensorflow as tf

    content: bytes = tf.io.encode_png(pixels).numpy()
    return content


def rows(seed: int, words: list[str] = VOCABULARY, lengths: tuple[int, int] = (3, 12), light: int = 255) -> Columns:
    random = np.random.default_rng(seed)
    return {
        "text": [" ".join(random.choice(words, random.integers(*lengths))) + f" #{seed}{n}" for n in range(ROWS)],
        "image": [png(random.integers(0, light, (6, 8, 1), np.uint8)) for _ in range(ROWS)],
        "label": [int(number) for number in random.integers(0, 2, ROWS)],
    }


def declared(schema: str = SCHEMA) -> str:
    return schema + "".join(
        DERIVED.format(source=source, deriver=deriver, kind=kind, measure=measure, bound=bound)
        for source, deriver, kind, measure, bound in DECLARED
    )


def decide(root: Path, before: Columns, now: Columns, schema: str) -> Decision:
    for span, columns in enumerate((before, now), 1):
        pq.write_table(pa.table(columns), root / f"{span}.parquet")
    (root / "schema.pbtxt").write_text(schema)
    file = str(root / "schema.pbtxt")
    config = IngestConfig.model_validate({"format": "parquet", "window": 1})
    ingest(config, PinnedSource(f"{root}/{{SPAN}}.parquet", 2, ""), file, root / "examples")
    compute(StatisticsConfig(), root / "examples", file, root / "statistics", root / "data.html")
    outputs = Outputs(str(root / "anomalies"), str(root / "decision.json"), str(root / "gate.html"))
    validate(Config.model_validate({"label": "label", "min_examples": 20}), root / "statistics", file, outputs)
    return Decision.read(root / "decision.json")


def test_drift_of_derived_features_is_checked_and_drawn(tmp_path: Path) -> None:
    decision = decide(tmp_path, rows(1), rows(2), declared())
    measured = {check.rule.partition(":")[0] for check in decision.checks if ": drift from" in check.rule}
    assert measured == {"label", *(f"{source}/{deriver}" for source, deriver, *_ in DECLARED)}
    assert decision.is_open
    assert "text/unseen_words: drift" in (tmp_path / "gate.html").read_text()
    picture = (tmp_path / "data.html").read_text()
    assert "text: words" in picture
    assert "image: brightness" in picture
    assert picture.count("<img ") == 32, "sixteen images that are trained on and sixteen of the evaluation"
    assert "#11" not in picture, "whole texts are not shown"


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (lambda: rows(2, words=[f"other{number}" for number in range(50)]), "text/unseen_words"),
        (lambda: rows(2, lengths=(20, 40)), "text/word_count"),
        (lambda: rows(2, light=60), "image/brightness"),
    ],
    ids=["other words", "longer texts", "darker images"],
)
def test_a_change_of_texts_or_images_stops_the_run(tmp_path: Path, now: Callable[[], Columns], found: str) -> None:
    with pytest.raises(DataError, match=f"{found}: drift from Span-1 to Span-2"):
        decide(tmp_path, rows(1), now(), declared())
    broken = [check for check in Decision.read(tmp_path / "decision.json").checks if check.verdict is not Verdict.PASS]
    assert len(broken) == 1


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        (SCHEMA, "text has no drift_comparator on any feature that is derived from it"),
        (
            declared(SCHEMA.replace(TEXT, f"{TEXT} {OWN_VALUES}")),
            "text has a drift_comparator that detects nothing",
        ),
        (declared().replace('step: "image"', 'step: "label"'), "derived from label, which is neither text nor image"),
        (declared().replace('"image/width"', '"image/wide"'), "image/wide has a name, type or deriver_name"),
        (
            declared(SCHEMA.replace(TEXT, OWN_VALUES)),
            "text: drift from Span-1 to Span-2 can be detected: the infinity norm compares shares",
        ),
    ],
    ids=["nothing compared", "own values compared", "wrong origin", "wrong name", "not declared as text"],
)  # fmt: skip
def test_a_schema_that_detects_nothing_is_named(tmp_path: Path, schema: str, fault: str) -> None:
    with pytest.raises(SchemaError if "can be detected" not in fault else DataError, match=fault):
        decide(tmp_path, rows(1), rows(2), schema)
