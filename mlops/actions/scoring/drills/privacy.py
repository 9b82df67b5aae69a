"""Searches the store, and shows on planted canaries that the search finds them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from artifacts.personal_data import files
from artifacts.personal_data.detectors import CANARY
from mlops.actions.auditing.search import search
from mlops.actions.scoring.subject import Subject

PLANTED = 1000
_PER_FILE = 50


def leaks(subject: Subject) -> Iterator[str]:
    """Yield what is found in the store and is not allowed, without the text itself."""
    audit = subject.usecase.audit_privacy
    allowed = {place.removeprefix("examples/") for place in (audit.allowed if audit is not None else {})}
    for finding in search(subject.usecase, subject.store):
        if finding.place.rpartition(": ")[2] not in allowed:
            yield f"{finding.detector} in {finding.place}, {finding.times} times"


def canaries(subject: Subject) -> tuple[int, int]:
    """Plant canaries in copies of log lines, and return how many there are and how many the search finds."""
    with tempfile.TemporaryDirectory(prefix="canaries-") as temporary:
        folder = Path(temporary)
        for number in range(PLANTED // _PER_FILE):
            lines = (
                f"row {at} of {subject.usecase.name}: canary-{number * _PER_FILE + at:012x}\n"
                for at in range(_PER_FILE)
            )
            (folder / f"log-{number}.txt").write_text("".join(lines), encoding="utf-8")
        found = sum(one.times for one in files.in_folder(folder, "logs") if one.detector == CANARY)
    return PLANTED, found
