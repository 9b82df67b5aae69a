"""Reads the rolling window of spans from its source and writes it as TFX reads examples: splits of gzipped TFRecords."""
