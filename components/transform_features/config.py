"""The `transform_features` section: where the analysis of the training data runs."""

from typing import Any, Literal

from pydantic import Field

from core.settings import Settings


class Config(Settings):
    """How `preprocessing_fn` is analyzed."""

    engine: Literal["in_process", "beam"] = "in_process"
    """`in_process` runs tf.Transform's analysis in this process, batch by batch, so that memory does not grow with the
    rows; analyzers that it does not support, and everything with `beam`, run as a Beam pipeline. Both write the same
    graph."""
    custom_config: dict[str, Any] = Field(default_factory=dict)
    """Passed to a `preprocessing_fn(inputs, custom_config)`, as TFX's Transform does."""
    beam_args: tuple[str, ...] = ("--runner=DirectRunner", "--direct_running_mode=in_memory", "--direct_num_workers=1")
    """Beam's flags, such as `--runner=DataflowRunner` with its project and region."""
    batch_size: int = Field(default=32_768, ge=1, le=1 << 20)
    """Rows per batch of the analysis."""
    materialize: bool = False
    """Whether the transformed examples are written too, for a module whose `run_fn` reads them."""
