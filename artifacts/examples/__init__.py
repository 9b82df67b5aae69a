"""Examples: splits of gzipped TFRecords in TFX's layout, with a manifest and Arrow columns beside them."""
