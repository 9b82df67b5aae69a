"""Reads a rolling window of spans, and writes its rows as splits of gzipped TFRecords in TFX's layout."""
