"""What an evaluation measures and writes: slices, skill, gains, row metrics and TFMA's numbers."""
