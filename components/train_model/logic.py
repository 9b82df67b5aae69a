"""Trains the user's module, in this process or in several."""

import os
import tempfile
from pathlib import Path

from components.train_model.config import Config
from components.train_model.launching import launch
from components.train_model.this_process import Inputs, Outputs, observe_run_fn, train_here
from training.distributed.members import member_of

__all__ = ["Inputs", "Outputs", "observe_run_fn", "train"]


def train(config: Config, inputs: Inputs, outputs: Outputs) -> None:
    """Train with the module's `build_model`, or else its `run_fn`; in several processes where that is configured.

    In a process that TF_CONFIG names as one of several, train with the others; the first writes the outputs.

    Raises as `train_here` and `launch`.
    """
    member = member_of(os.environ)
    if config.distribution is not None and member is None:
        launch(config, inputs, outputs)
        return
    if member is None or member.is_chief:
        train_here(config, inputs, outputs, member)
        return
    with tempfile.TemporaryDirectory(prefix="train-model-") as unused:
        train_here(config, inputs, Outputs(Path(unused, "model"), lambda *_: None, Path(unused, "pictures")), member)
