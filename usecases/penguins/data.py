"""Puts the data where the pipeline looks for it: one CSV file a season, written once, from `palmerpenguins` (CC0)."""

import csv
import io
from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans, package_file

SPANS = (2007, 2008, 2009)
PATTERN = "penguins-{SPAN}.csv"
COLUMNS = ("species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex")
MISSING = "NA"


def write_spans(folder: Path) -> None:
    """Write the seasons that are not there yet; DataError when palmerpenguins is missing."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        with package_file("palmerpenguins", "data/penguins.csv").open(encoding="utf-8", newline="") as stream:
            penguins = list(csv.DictReader(stream))
        deliver(folder, PATTERN, missing, lambda span: _csv(penguins, span))


def _csv(penguins: list[dict[str, str]], season: int) -> bytes:
    """Return the penguins of one season; a cell without a value is empty, and the season itself is no feature."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for penguin in penguins:
        if int(penguin["year"]) == season:
            writer.writerow("" if penguin[name] == MISSING else penguin[name] for name in COLUMNS)
    return text.getvalue().encode()
