"""All that workers of Beam import for this stage, whichever of its pipelines they run."""

from components.transform_features import materialize_with_beam, phase_with_beam, with_beam

__all__ = ["materialize_with_beam", "phase_with_beam", "with_beam"]
