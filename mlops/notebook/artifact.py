"""The artifact of a stage that was called in a notebook."""

from dataclasses import dataclass, field

from mlops.notebook import views


@dataclass
class StageArtifact:
    """What a component takes for an input or an output: kfp's artifact, as far as components use it.

    A notebook shows what is in it; `path` is the file or folder, for TensorFlow's own readers.
    """

    name: str
    """The name of the output that it is, such as `examples`."""
    path: str
    type: str = "system.Artifact"
    """As kfp names it, such as `system.Dataset`."""
    metadata: dict[str, float] = field(default_factory=dict)
    """What `log_metric` was given."""

    def log_metric(self, metric: str, value: float) -> None:
        """Keep a metric, as kfp's Metrics does."""
        self.metadata[metric] = value

    def _repr_html_(self) -> str:
        return views.page(views.artifact(self.name, self.path, self.metadata))
