"""Examples: splits of gzipped TFRecords as TFX lays them out, with a manifest and Arrow columns beside them."""
