"""Scores a use case: measures what is missing, asks each row, and writes the page."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import digest
from core.errors import MlopsError, UsageError, did_you_mean
from mlops.actions.scoring.measurements import Measurement
from mlops.actions.scoring.rows import Result, Row, Score, Section, of_ids, result_of, shown
from mlops.actions.scoring.subject import Subject
from mlops.actions.scoring.table import ROWS
from mlops.report.score import Bar, ScorePage, ScoreRow, write_score

PAGE = "score.html"
Note = Callable[[str], None]


def chosen_rows(ids: Sequence[str]) -> list[Row]:
    """Return the rows with these ids, or all; UsageError for an unknown id."""
    try:
        return of_ids(ROWS, ids)
    except KeyError as error:
        known = [row.id for row in ROWS]
        raise UsageError(
            f"no row {error.args[0]!r}{did_you_mean(str(error.args[0]), known)}; wanted one of {', '.join(known)}"
        ) from None


def score(subject: Subject, rows: Sequence[Row] = ROWS, note: Note = lambda _: None, *, measure: bool = True) -> Score:
    """Ask each row, after measuring what it needs unless `measure` is off; a row that breaks gets no points."""
    if measure and subject.version is not None:
        measure_missing(subject, rows, note)
    return Score(subject.usecase.name, tuple(result_of(row, subject) for row in rows), _about(subject))


def measure_missing(subject: Subject, rows: Sequence[Row], note: Note) -> None:
    """Make the measurements of some rows that are not there, or are about another model, code or configuration."""
    from mlops.actions.scoring.measuring.table import MEASUREMENTS, Bench  # noqa: PLC0415 - imports TensorFlow when used

    wanted = {row.id for row in rows}
    with Bench(subject) as bench:
        for one in MEASUREMENTS:
            found = subject.measurements.read(one.name)
            is_there = found is not None and found.of == subject.identity and not found.fault
            if not wanted & set(one.rows) or is_there:
                continue
            note(f"measuring {one.name} for {', '.join(one.rows)}")
            began = time.monotonic()
            facts: dict[str, Any] = {}
            fault = ""
            try:
                facts = one.load()(bench)
            except MlopsError as error:
                fault = str(error)
            except Exception as error:  # whatever the use case's code raises, other rows can still be measured
                fault = f"{type(error).__name__}: {error}"
            if fault:
                note(f"  not measured: {fault}")
            subject.measurements.write(
                Measurement(
                    name=one.name,
                    of=subject.identity,
                    facts=facts,
                    fault=fault,
                    at=datetime.now(UTC).isoformat(timespec="seconds"),
                    seconds=round(time.monotonic() - began, 1),
                )
            )


def write_page(subject: Subject, found: Score) -> Path:
    """Write the page with the four bars, and return its path."""
    page = ScorePage(
        usecase=found.usecase,
        score=found.final,
        band=found.band,
        about=tuple(found.about.items()),
        bars=tuple(Bar(section.value, found.points(section)) for section in Section),
        rows=tuple(_row(subject, result) for result in found.results),
    )
    return write_score(page, subject.folder / PAGE)


def as_json(subject: Subject, found: Score) -> dict[str, Any]:
    """Return the score as JSON: the four sections, and each row with its verdict, checks and evidence."""
    return {
        "usecase": found.usecase,
        "score": found.final,
        "band": found.band,
        "sections": {section.value: found.points(section) for section in Section},
        "about": found.about,
        "rows": [_facts(subject, result) for result in found.results],
    }


def _facts(subject: Subject, result: Result) -> dict[str, Any]:
    return {
        "id": result.row.id,
        "section": result.row.section.value,
        "title": result.row.title,
        "verdict": result.verdict,
        "why": result.why,
        "raised_by": result.raised_by,
        "simulated": result.row.simulated,
        "command": command(subject, result.row),
        "evidence": [{"file": str(path), "digest": digest.of_file(path)} for path in result.findings.evidence],
        "checks": [check.model_dump(mode="json") for check in result.findings.checks],
    }


def command(subject: Subject, row: Row) -> str:
    """Return the command to see the same by hand."""
    return row.command.format(usecase=subject.usecase.cli_name)


def _row(subject: Subject, result: Result) -> ScoreRow:
    return ScoreRow(
        id=result.row.id,
        section=result.row.section.value,
        title=result.row.title,
        verdict=result.verdict,
        why=result.why,
        raised_by=result.raised_by,
        simulated=result.row.simulated,
        command=command(subject, result.row),
        checks=tuple((check.rule, shown(check.observed), check.verdict.value) for check in result.findings.checks),
        evidence=tuple((_short(subject, path), digest.of_file(path)) for path in result.findings.evidence),
    )


def _short(subject: Subject, path: Path) -> str:
    for root in (subject.store.root, subject.root):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)


def _about(subject: Subject) -> dict[str, str]:
    version, run = subject.version, subject.run
    clean = "" if subject.commit.clean else ", with changes"
    return {
        "model": f"{version.name} version {version.version}" if version is not None else "none in production",
        "digest": version.digest if version is not None else "",
        "run": run.run_id if run is not None else "none in this store",
        "commit": f"{subject.commit.commit[:12]}{clean}" if subject.commit.commit else "unknown",
        "as of": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
