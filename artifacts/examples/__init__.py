"""Examples: splits of gzipped TFRecords of tf.Example as TFX lays them out, with a manifest and Arrow columns beside them."""
