"""The verbs that run a use case with an optional stage of training switched on."""
