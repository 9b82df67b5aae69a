"""What a test report in JUnit's format says, as Markdown."""

from pathlib import Path
from xml.etree import ElementTree as ET

from core.errors import UsageError
from mlops.report.change_comment import plain

_MOST_NAMED = 20


def summarized(report: Path) -> str:
    """Return counts, and the names of tests that failed; UsageError for a file that is no report."""
    try:
        root = ET.fromstring(report.read_bytes())  # noqa: S314 - expat limits the growth of entities
    except OSError as error:
        raise UsageError(f"{report}: {error.strerror}") from None
    except ET.ParseError as error:
        raise UsageError(f"{report}: wanted a test report in JUnit's format, got {error}") from None
    cases = list(root.iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    minutes = sum(float(case.get("time") or 0.0) for case in cases) / 60
    passed = len(cases) - len(failed) - len(skipped)
    lines = [
        "### Tests",
        "",
        f"{len(failed)} failed, {passed} passed, {len(skipped)} skipped; {minutes:.1f} minutes of processor time.",
    ]
    if not cases:
        lines.append("\n:warning: No test ran.")
    if failed:
        lines += ["", *(f"- :x: {plain(_name(case))}" for case in failed[:_MOST_NAMED])]
    if len(failed) > _MOST_NAMED:
        lines.append(f"- and {len(failed) - _MOST_NAMED} more")
    return "\n".join(lines)


def _name(case: ET.Element) -> str:
    return f"{case.get('classname', '')}.{case.get('name', '')}"[:200]
