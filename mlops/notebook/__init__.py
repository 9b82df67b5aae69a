"""A use case's stages, called one by one in the process of a notebook, with results that show themselves."""

from mlops.notebook.artifact import StageArtifact
from mlops.notebook.step_by_step import StageResult, StepByStep

__all__ = ["StageArtifact", "StageResult", "StepByStep"]
