"""Puts the data where the pipeline looks for it: one CSV file a quarter of the collection, written once.

The Adult data (UCI, CC BY 4.0) is read from a data file of `fairness`; nothing of that package is imported. The
collection has no dates, so a delivery is a quarter of it, in the order of the source.
"""

import csv
import io
from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans, package_file
from core.errors import DataError

SPANS = (1, 2, 3, 4)
PATTERN = "answers-{SPAN}.csv"
COLUMNS = (
    "age",
    "workclass",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
)
"""Without `education`, which says the same as its number, and `fnlwgt`, the weight of the census' sample."""
MISSING = "?"
_SOURCE = {"income": "income-per-year"}


def write_spans(folder: Path) -> None:
    """Write the quarters that are not there yet; DataError when the package is missing or its file is another one."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        answers = _answers(package_file("fairness", "data/raw/adult.csv"))
        deliver(folder, PATTERN, missing, lambda span: _csv(answers, span))


def _answers(path: Path) -> list[list[str]]:
    """Return the cells of COLUMNS of every row; a cell without an answer is empty."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, skipinitialspace=True)
        sources = [_SOURCE.get(name, name.replace("_", "-")) for name in COLUMNS]
        if lacking := sorted(set(sources) - set(reader.fieldnames or ())):
            raise DataError(f"{path}: wanted the columns of the Adult data, got none named {', '.join(lacking)}")
        return [["" if row[name] == MISSING else row[name] for name in sources] for row in reader]


def _csv(answers: list[list[str]], quarter: int) -> bytes:
    size = -(-len(answers) // len(SPANS))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(answers[(quarter - 1) * size : quarter * size])
    return text.getvalue().encode()
