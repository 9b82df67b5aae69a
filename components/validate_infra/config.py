"""The `validate_infra` section: the limits that the exported model must keep when it is served."""

from typing import Literal

from pydantic import Field

from core.settings import GateSettings


class Config(GateSettings):
    """Limits of the server process, on the machine that runs the pipeline."""

    engine: Literal["mlops", "tensorflow_serving"] = "mlops"
    """The server to test, which should be that of production. `tensorflow_serving` needs its binary in the image."""
    rows: int = Field(default=32, ge=1, le=1000)
    """Maximum number of the evaluation's rows to send, each in its own request and all in one."""
    startup_seconds: float = Field(default=90.0, gt=0)
    """Longest time from starting the process until the model is loaded, including TensorFlow's import."""
    request_seconds: float = Field(default=10.0, gt=0)
    """Timeout of one request."""
    median_latency_ms: float = Field(default=50.0, gt=0)
    """Longest median latency of a request with one row over loopback, in milliseconds."""
    max_float32_steps: float = Field(default=64.0, ge=0)
    """Largest difference between a served prediction and the same row's in the evaluation, in steps of float32 at the
    size of the prediction: at 0.5 a step is 6e-8, at 400,000 it is 0.03. Two orders of the same sums differ by a few
    steps."""
    max_abs_difference: float = Field(default=1e-6, ge=0)
    """Differences up to this, in the prediction's unit, are ignored, because near zero float32's steps are tiny."""
    explain_latency_ms: float | None = Field(default=None, gt=0)
    """Longest median latency of a request to explain one row, in milliseconds; unset: none is sent."""
