"""The model gate: the candidate's metrics overall and per slice, compared with the champion and simple baselines."""
