"""`make audit`: what is waived has a reason and a day, and after that day it is reported again."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.rendered import ROOT

AUDIT = ROOT / ".ci" / "audit.py"
KNOWN = "GHSA-5wvp-7f3h-6wmm"
STAND_IN = f"""#!/bin/sh
echo "$@"
case " $* " in *" --ignore {KNOWN} "*) exit 0 ;; esac
echo "pyarrow 10.0.1 has 1 known vulnerability: {KNOWN}"
exit 1
"""
WAIVER = f"""[[waiver]]
id = "{KNOWN}"
package = "pyarrow"
until = DAY
why = "a reason of a whole sentence"
"""


def audited(folder: Path, waivers: str) -> subprocess.CompletedProcess[str]:
    """Audit with other waivers, and with a stand-in that knows of one vulnerability."""
    folder.mkdir(exist_ok=True)
    program, script = folder / "uv", folder / "audit.py"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    script.write_text(AUDIT.read_text(encoding="utf-8"))
    (folder / "waivers.toml").write_text(waivers)
    return subprocess.run([sys.executable, script, program], capture_output=True, text=True, timeout=120, check=False)


def test_a_waiver_holds_until_its_day(tmp_path: Path) -> None:
    assert audited(tmp_path, "").returncode == 1
    waived = audited(tmp_path, WAIVER.replace("DAY", "2999-01-01"))
    assert waived.returncode == 0, waived.stdout + waived.stderr
    assert f"waived until 2999-01-01: {KNOWN} of pyarrow: a reason of a whole sentence" in waived.stdout
    over = audited(tmp_path, WAIVER.replace("DAY", "2020-01-01"))
    assert over.returncode == 1
    assert "waived no longer, since 2020-01-01" in over.stdout
    assert f"--ignore {KNOWN}" not in over.stdout


def test_a_database_that_cannot_be_asked_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "STAND_IN", "#!/bin/sh\necho 'error: dns error' >&2\nexit 2\n")
    ended = audited(tmp_path, WAIVER.replace("DAY", "2999-01-01"))
    assert ended.returncode == 2
    assert "audit: NOT DONE" in ended.stderr
    assert "Nothing was looked up" in ended.stderr


@pytest.mark.parametrize(
    ("waiver", "says"),
    [
        (WAIVER.replace("until = DAY\n", ""), "wanted id, package, until = YYYY-MM-DD and why"),
        (WAIVER.replace("DAY", '"some day"'), "wanted id, package, until = YYYY-MM-DD and why"),
        (WAIVER.replace("DAY", "2999-01-01").replace("a reason of a whole sentence", "later"), "wanted the reason"),
    ],
)
def test_a_waiver_without_a_day_or_a_reason_is_refused(waiver: str, says: str, tmp_path: Path) -> None:
    ended = audited(tmp_path, waiver)
    assert ended.returncode == 1
    assert says in ended.stderr


def test_our_own_waivers_can_be_read() -> None:
    waivers = runpy.run_path(str(AUDIT))["read"](ROOT / ".ci" / "waivers.toml")
    assert {one["package"] for one in waivers} == {"pyarrow", "ecdsa"}
