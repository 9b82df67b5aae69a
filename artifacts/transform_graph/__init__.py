"""The transform graph, in the layout that `tft.TFTransformOutput` reads, and the names that this project adds."""
