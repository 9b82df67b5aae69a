"""`mlops models canary`, `promote` and `rollback`: what they say and return, for people and for machines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.backends import rollout
from core.backends.registry import Registry, open_registry
from core.decision import Check, Decision, Verdict
from core.errors import MlopsError
from core.store import Store
from mlops.cli.main import cli

Mlops = Callable[..., tuple[int, str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three versions of `m`, the first in production."""
    found = Store(tmp_path)
    registry = open_registry(found.registry)
    for text in "abc":
        model = tmp_path / text
        model.mkdir()
        (model / "saved_model.pb").write_text(text)
        registry.publish("m", model, {})
    registry.promote("m", 1)
    return found


@pytest.fixture
def registry(store: Store) -> Registry:
    return open_registry(store.registry)


@pytest.fixture
def mlops(store: Store) -> Mlops:
    def call(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["models", *words], env={"MLOPS_HOME": str(store.root)})
        if isinstance(result.exception, MlopsError):
            return result.exception.exit_code, str(result.exception)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return call


def decided(registry: Registry, verdict: Verdict) -> None:
    canary = registry.state("m").canary
    assert canary is not None
    check = Check(rule="share of failed requests", observed="12 of 300", verdict=verdict, next_step="Roll back.")
    rollout.conclude(registry, "m", canary, Decision.of("canary", (check,)), "mlops serve on here")


def test_a_canary_is_started_shown_raised_and_ended(mlops: Mlops, registry: Registry) -> None:
    code, text = mlops("canary", "m", "2", "--steps", "5,25,100", "--why", "fewer features", "--key", "header:X-User")
    assert code == 0
    assert "version 2 is a canary, 5 % of the requests; then 25 %" in text
    assert "fewer features" in text and "a canary needs a running `mlops serve`" in text
    assert "canary    5 %" in mlops("list")[1]
    code, text = mlops("canary", "m", "--percent", "25", "--json")
    shown = json.loads(text)
    assert (code, shown["canary"]["percent"], shown["canary"]["next_percent"]) == (0, 25.0, 100.0)
    assert [event["action"] for event in shown["events"]] == ["start", "step"]
    assert shown["events"][0]["by"]
    code, text = mlops("rollback", "m", "--why", "enough seen")
    assert code == 0
    assert "The canary, version 2, has ended" in text and "Version 1 of m is in production" in text
    assert "no canary runs; version 1 is in production" in mlops("canary", "m")[1]
    assert "enough seen" in mlops("show", "m", "2")[1]
    assert [event["action"] for event in json.loads(mlops("show", "m", "2", "--json")[1])["rollouts"]] == [
        "start",
        "step",
        "stop",
    ]


def test_a_canary_that_has_not_passed_is_not_promoted_without_a_reason(mlops: Mlops, registry: Registry) -> None:
    mlops("canary", "m", "2")
    code, text = mlops("promote", "m")
    assert code == 3
    assert "wanted a canary that passed" in text and "--override" in text
    decided(registry, Verdict.PASS)
    code, text = mlops("promote", "m")
    assert (code, "Version 2 of m is in production" in text) == (0, True)
    mlops("canary", "m", "3")
    assert mlops("promote", "m", "--override", "it is night")[0] == 0
    assert registry.state("m").rollouts[-1]["why"] == "it is night"


def test_to_wait_for_a_canary_that_is_aborted_returns_3_and_the_reason(
    mlops: Mlops, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlops("canary", "m", "2")
    monkeypatch.setattr("time.sleep", lambda _: decided(registry, Verdict.FAIL))
    code, text = mlops("canary", "m", "--wait")
    assert code == 3
    assert "wanted the canary to pass, got abort" in text and "12 of 300" in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("m", "2", "--steps", "5,x"), 2, "--steps: wanted percents such as 5,25,100, got '5,x'"),
        (("m", "2", "--steps", "5,25", "--percent", "5"), 2, "and not both"),
        (("m", "2", "--percent", "120"), 2, "wanted percents from 0 to 100"),
        (("m", "2", "--key", "cookie:x"), 2, "key: wanted header:NAME or column:FEATURE"),
        (("m", "--shadow"), 2, "--shadow is for the start of a canary"),
        (("m", "9"), 1, "no version 9"),
        (("m", "1"), 1, "another version than the one in production"),
        (("m", "--percent", "5"), 1, "wanted a running canary, got none"),
        (("mm", "2"), 1, "no model 'mm' was ever pushed"),
    ],
)
def test_what_makes_no_sense_is_refused(mlops: Mlops, words: tuple[str, ...], code: int, message: str) -> None:
    got, text = mlops("canary", *words)
    assert (got, message in text) == (code, True), text


def test_shadow_mode_comes_before_the_steps(mlops: Mlops, registry: Registry) -> None:
    assert "in shadow mode; then 5 %" in mlops("canary", "m", "2", "--shadow", "--percent", "5")[1]
    canary = registry.state("m").canary
    assert canary is not None and canary.plan.steps == (0.0, 5.0)
