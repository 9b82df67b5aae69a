"""A peer: FastAPI over `tf.saved_model.load`, as people write it; `python -m benchmarks.serving_plain MODEL PORT`."""

import os
import sys
from typing import Any

import tensorflow as tf
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving_tensors import tensors

WORKERS = 2
_MODEL = "BENCHMARK_MODEL"
app = FastAPI()
model = tf.saved_model.load(os.environ.setdefault(_MODEL, sys.argv[1] if len(sys.argv) > 1 else ""))
signature = model.signatures["serving_default"]


class PredictRequest(BaseModel):
    """The body of a request."""

    instances: list[dict[str, Any]]


@app.post("/predict")  # type: ignore[untyped-decorator]
def predict(request: PredictRequest) -> dict[str, Any]:
    """Predict rows; the framework runs this in its thread pool."""
    outputs = signature(**tensors(signature, request.instances))
    return {"predictions": next(iter(outputs.values())).numpy().tolist()}


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.serving_plain:app", host="127.0.0.1", port=int(sys.argv[2]), workers=WORKERS, log_level="warning"
    )
