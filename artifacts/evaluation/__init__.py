"""The evaluation of a model: slices, skill, gains over baselines, row metrics, and TFMA's metrics and files."""
