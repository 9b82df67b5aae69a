"""A peer: KServe's Python server with a custom model; `python -m benchmarks.serving.kserve_server MODEL PORT`."""

import sys
from typing import Any

import kserve
import tensorflow as tf

from benchmarks.serving.tensors import tensors

NAME = "flight_delay"


class Model(kserve.Model):  # type: ignore[misc]
    """What KServe's documentation calls a custom predictor."""

    def __init__(self, path: str) -> None:
        super().__init__(NAME)
        self.signature = tf.saved_model.load(path).signatures["serving_default"]
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Predict the rows of KServe's first protocol, which is TensorFlow Serving's."""
        outputs = self.signature(**tensors(self.signature, payload["instances"]))
        return {"predictions": next(iter(outputs.values())).numpy().tolist()}


if __name__ == "__main__":
    kserve.ModelServer(http_port=int(sys.argv[2]), enable_grpc=False).start([Model(sys.argv[1])])
