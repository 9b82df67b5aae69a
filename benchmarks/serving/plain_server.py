"""A peer: FastAPI over `tf.saved_model.load`, as people write it, of the model that BENCHMARK_MODEL names.

uvicorn benchmarks.serving.plain_server:app --workers 2
"""

import os
from typing import Any

import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.tensors import tensors

app = FastAPI()
model = tf.saved_model.load(os.environ["BENCHMARK_MODEL"])
signature = model.signatures["serving_default"]


class PredictRequest(BaseModel):
    """The body of a request."""

    instances: list[dict[str, Any]]


@app.post("/predict")  # type: ignore[untyped-decorator]
def predict(request: PredictRequest) -> dict[str, Any]:
    """Predict rows; the framework runs this in its thread pool."""
    outputs = signature(**tensors(signature, request.instances))
    return {"predictions": next(iter(outputs.values())).numpy().tolist()}
