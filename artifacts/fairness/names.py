"""The names of rates and of the file."""

from typing import Literal, get_args

FAIRNESS = "fairness.json"
Rate = Literal[
    "selection_rate", "true_positive_rate", "false_positive_rate", "false_negative_rate", "precision", "calibration"
]
RATES: tuple[Rate, ...] = get_args(Rate)
"""`calibration` is the mean score minus the share of positives; it depends on no threshold, the others do."""
CALIBRATION: Rate = "calibration"
EXPLAINED: dict[str, str] = {
    "selection_rate": "share of all rows that are predicted positive",
    "true_positive_rate": "share of the positive rows that are predicted positive",
    "false_positive_rate": "share of the negative rows that are predicted positive",
    "false_negative_rate": "share of the positive rows that are predicted negative",
    "precision": "share of the rows predicted positive that are positive",
    "calibration": "mean score minus the share of positive rows",
}
