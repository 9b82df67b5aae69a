"""The transform graph, laid out as TFX does: what `tft.TFTransformOutput` loads, and the names that this project adds."""
