"""The `validate_infra` section: what the exported model must do as a server before it is pushed."""

from typing import Literal

from pydantic import Field

from core.settings import GateSettings


class Config(GateSettings):
    """Limits for the server process; they hold on the machine that runs the pipeline."""

    engine: Literal["mlops", "tensorflow_serving"] = "mlops"
    """The server that is tried; the one that production runs. `tensorflow_serving` needs its binary in the image."""
    rows: int = Field(default=32, ge=1, le=1000)
    """Most rows of the evaluation that are sent, each in a request of its own and all in one."""
    startup_seconds: float = Field(default=90.0, gt=0)
    """Longest time from starting the process to the first answer; TensorFlow's import is in it."""
    request_seconds: float = Field(default=10.0, gt=0)
    """Longest wait for one answer; a model that takes longer hangs."""
    median_latency_ms: float = Field(default=50.0, gt=0)
    """Longest time of a request with one row at the median, in milliseconds, over loopback."""
    max_float32_steps: float = Field(default=64.0, ge=0)
    """Largest difference between a served prediction and the same row's in the evaluation, in steps of float32 at the
    size of the prediction: at 0.5 a step is 6e-8, at 400,000 it is 0.03. Two orders of the same sums differ by a few
    steps."""
    max_abs_difference: float = Field(default=1e-6, ge=0)
    """A difference up to this one, in the prediction's own unit, counts as none: near zero float32's steps are tiny."""
