"""Answers have the same bytes, whichever encoder writes them."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.bodies.responses import predict_body
from serving.errors import RequestError


def written(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint64, np.bool_]),
        st.tuples(st.integers(1, 3), st.integers(1, 3)) | st.sampled_from([(17,), (20, 1), (3, 2, 4)]),
    )
)
def test_numbers_are_written_as_python_writes_them(values: Any) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        with pytest.raises(RequestError, match="not finite"):
            predict_body({"y": values}, len(values), "instances")
        return
    assert predict_body({"y": values}, len(values), "instances") == written({"predictions": values.tolist()})
    assert predict_body({"y": values}, None, "inputs") == written({"outputs": values.tolist()})


@given(
    arrays.arrays(
        np.float32,
        st.sampled_from([(17,), (20, 1), (3, 2, 4)]),
        elements=st.floats(2.0**-13, 2.0**49, width=32) | st.sampled_from([0.0, -0.0, 1.0, 2.0**-14]),
    )
)
def test_many_usual_numbers_are_written_as_python_writes_them(values: Any) -> None:
    assert predict_body({"y": values}, len(values), "instances") == written({"predictions": values.tolist()})
    assert predict_body({"y": values.T}, None, "inputs") == written({"outputs": values.T.tolist()})


def test_rows_of_several_outputs_keep_their_names_and_texts_stay_ascii() -> None:
    outputs = {"y": np.array([0.25, 1e-7], np.float32), "label": np.array([b"\xc3\xa9", b"\xff"], object)}
    assert predict_body(outputs, 2, "instances") == written(
        {"predictions": [{"y": 0.25, "label": "é"}, {"y": float(np.float32(1e-7)), "label": {"b64": "/w=="}}]}
    )
