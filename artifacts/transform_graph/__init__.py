"""The transform graph, laid out as TFX does for `tft.TFTransformOutput`, and the names that this project adds."""
