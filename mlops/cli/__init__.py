"""The roof: one file per verb, loaded when it is called."""
