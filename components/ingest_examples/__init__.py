"""Reads the rolling window of spans and writes it as TFX reads examples: splits of gzipped TFRecords."""
