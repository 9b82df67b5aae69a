"""What `mlops serve` takes of limits and of how clients are treated, and what it answers to mistakes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.errors import UsageError
from core.store import Store
from mlops.cli.server.serve import serve

TOKEN = "0123456789abcdef"
VARIABLE = "MLOPS_SERVE_TOKEN"


def run(tmp_path: Path, *arguments: str, **environment: str) -> Result:
    """Run the verb over an empty registry: with good settings it only misses a model."""
    return CliRunner().invoke(
        serve,
        ["flight_delay", *arguments],
        obj=Store(tmp_path / "home"),
        env={VARIABLE: None} | environment,  # type: ignore[dict-item] # None unsets
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["--max-body", "64MiB"], {}, "wanted --request-memory 4096MiB or more with it, got 512MiB"),
        (["--tls-cert", "cert.pem"], {}, "wanted both --tls-cert and --tls-key, or none of them, got one"),
        (["--tls-cert", "no.pem", "--tls-key", "no.pem"], {}, "no.pem: wanted a PEM file"),
        (["--allow-origin", "https://app.example/page"], {}, "--allow-origin https://app.example/page: wanted scheme"),
        (["--token-file", "nowhere"], {}, "--token-file nowhere: cannot be read"),
        (["--open-metrics"], {}, "--open-metrics: without a token everything is open"),
        (["--access-log", "/nowhere/log"], {}, "--access-log /nowhere/log: wanted a file that can be written"),
        ([], {VARIABLE: "short"}, f"{VARIABLE}: wanted tokens of at least 16 characters"),
        (
            ["--engine", "tensorflow_serving", "--host", "0.0.0.0", "--max-rows", "9"],
            {VARIABLE: TOKEN},
            f"engine tensorflow_serving takes none of --max-rows, {VARIABLE}",
        ),
    ],
)
def test_a_mistake_is_named_before_anything_is_served(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], says: str
) -> None:
    done = run(tmp_path, *arguments, **environment)
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)
    assert "short" not in str(done.exception)


@pytest.mark.parametrize("size", ["0", "-1", "4MB", "4 MiB", "1.5MiB", "MiB", "", "9" * 13])
def test_a_size_is_a_number_with_a_unit(tmp_path: Path, size: str) -> None:
    done = run(tmp_path, "--max-body", size)
    assert done.exit_code == 2
    assert "wanted bytes such as 1048576, 512KiB or 4MiB" in done.output


def test_good_settings_are_taken(tmp_path: Path) -> None:
    arguments = ["--max-body", "64MiB", "--request-memory", "4GiB", "--max-rows", "9", "--allow-origin", "*"]
    done = run(tmp_path, *arguments, "--access-log", str(tmp_path / "log"), "--open-metrics", **{VARIABLE: TOKEN})
    assert "has no model in production yet" in str(done.exception)
