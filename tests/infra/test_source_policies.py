"""bandit over the sources and detect-secrets over all files: no finding without a reason beside it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.infra.rendered import CHECKS, ROOT, needs_program
from tests.infra.test_lint import project_files
from tests.rooms import SHIPPED

WHOLE_RULES = {
    "B101": "asserts narrow types for mypy, and no check of input is one",
    "B105": "takes a verdict called pass for a password; ruff's S105 finds those that are",
    "B106": "as B105; an empty password is none",
    "B107": "as B105",
    "B311": "takes NumPy's generators with a seed for the module random, which ruff's S311 finds",
    "B403": "an import runs nothing; what unpickles has its own reason",
    "B404": "an import runs nothing; what starts a program has its own reason",
    "B405": "an import runs nothing; what parses XML has its own reason",
}
"""Rules of bandit that are not taken, and why."""
REASON = re.compile(r"#\s*noqa: ([A-Z0-9, ]*[0-9]) - (\S.*)")


@pytest.mark.nightly("reads all sources in half a minute; ruff's copy of its rules is in make lint")
@needs_program("bandit")
def test_bandit_finds_nothing_without_a_reason() -> None:
    ran = subprocess.run(
        [
            CHECKS / "bandit",
            "--recursive",
            *SHIPPED,
            ".ci",
            "--format",
            "json",
            "--skip",
            ",".join(WHOLE_RULES),
            "--quiet",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    found = json.loads(ran.stdout)
    assert not found["errors"]
    assert found["metrics"]["_totals"]["loc"] > 30_000
    assert found["metrics"]["_totals"]["nosec"] == 0, "one way to give a reason is enough: noqa, which ruff reads too"
    unexplained = [
        f"{one['filename']}:{one['line_number']} {one['test_id']}: {one['issue_text']}"
        for one in found["results"]
        if not _explained(one)
    ]
    assert unexplained == []


def _explained(finding: dict[str, object]) -> bool:
    """Whether a line of the finding has ruff's name of the rule and a reason: bandit's B301 is S301 there."""
    lines = (ROOT / str(finding["filename"])).read_text(encoding="utf-8").splitlines()
    numbers = [int(number) for number in finding["line_range"]]  # type: ignore[attr-defined]
    reasons = [REASON.search(lines[number - 1]) for number in numbers]
    return any(one is not None and f"S{str(finding['test_id'])[1:]}" in one[1].split(", ") for one in reasons)


@needs_program("bandit")
def test_bandit_finds_what_is_planted(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("import pickle\n\npickle.loads(b'')\neval('1')\n")
    ran = subprocess.run(
        [CHECKS / "bandit", tmp_path / "planted.py", "--format", "json", "--quiet"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert {"B301", "B307"} <= {one["test_id"] for one in json.loads(ran.stdout)["results"]}


NO_SECRETS = {
    "tests/unit/cluster/test_project_images.py": "a proxy's address with a password, which no log may show",
    "tests/unit/core/test_gcs.py": "an address with a password, which is refused",
    "tests/unit/core/test_objects.py": "an address with a password, which is refused",
}
"""File -> why what looks like a secret there is none."""
_LEFT_OUT = ("uv.lock", ".svg", ".ipynb")
"""Digests and pictures: nothing but what looks random."""


@needs_program("detect-secrets")
def test_no_file_holds_a_secret() -> None:
    names = [str(path.relative_to(ROOT)) for path in project_files() if not path.name.endswith(_LEFT_OUT)]
    found = _secrets(names, ROOT)
    assert {name: lines for name, lines in found.items() if name not in NO_SECRETS} == {}
    assert set(NO_SECRETS) <= set(found), "a reason that nothing needs"


@needs_program("detect-secrets")
def test_planted_secrets_are_found(tmp_path: Path) -> None:
    planted = {
        "aws.py": "key = 'AKIA" + "IOSFODNN7EXAMPLE'\n",
        "readme.md": "key = 'AKIA" + "IOSFODNN7EXAMPLE'\n",
        "key.pem": "-----BEGIN " + "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n",
        "github.env": "TOKEN=ghp_" + "a1B2c3D4e5" * 3 + "a1B2c3\n",
    }
    for name, content in planted.items():
        (tmp_path / name).write_text(content)
    assert set(_secrets(list(planted), tmp_path)) == set(planted)


_GUESSING = ("HexHighEntropyString", "Base64HighEntropyString", "KeywordDetector")
"""Plugins that take each digest and each test's token for a secret."""
_PLAIN = (".md", ".py")
"""Most files. detect-secrets reads their lines as they stand; those of other kinds it rewrites before."""
_SUSPECTS = """
import json, re, sys
from pathlib import Path
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

guessing, names = json.load(sys.stdin)
plugins = [kind() for kind in get_mapping_from_secret_type_to_class().values() if kind.__name__ not in guessing]
patterns = [re.compile(one.pattern, one.flags | re.MULTILINE) for plugin in plugins for one in plugin.denylist]
texts = {name: Path(name).read_text(encoding="utf-8", errors="replace") for name in names}
print(json.dumps([name for name, text in texts.items() if any(one.search(text) for one in patterns)]))
"""


def _suspects(names: list[str], folder: Path) -> list[str]:
    """Return the files in which a pattern of a plugin is found at all: a search of lines takes three times as long."""
    plain = [name for name in names if name.endswith(_PLAIN)]
    ran = subprocess.run(
        [CHECKS / "python", "-c", _SUSPECTS],
        input=json.dumps([_GUESSING, plain]),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return [*(name for name in names if name not in set(plain)), *json.loads(ran.stdout)]


def _secrets(names: list[str], folder: Path) -> dict[str, list[str]]:
    disabled = [word for plugin in _GUESSING for word in ("--disable-plugin", plugin)]
    ran = subprocess.run(
        [CHECKS / "detect-secrets", "scan", *disabled, *_suspects(names, folder)],
        cwd=folder,
        env={**os.environ, "DETECT_SECRETS_PERF_PREGATE": "1"},  # lines that no plugin can match are passed over
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout)["results"]
    return {name: [f"{one['line_number']}: {one['type']}" for one in found] for name, found in results.items()}


@pytest.mark.parametrize("text", ["x = 1  # noqa: S301", "x = 1  # noqa: S301 -", "x = 1  # S301 - a reason"])
def test_a_skip_without_a_reason_is_none(text: str) -> None:
    assert REASON.search(text) is None
