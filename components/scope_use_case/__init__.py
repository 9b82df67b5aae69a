"""The scope gate: checks that the use case has objectives, a metric better than the baseline, risks and ethics."""
