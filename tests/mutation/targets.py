"""Which files are tried, and by which tests."""

from typing import NamedTuple


class Target(NamedTuple):
    """The tests that must find a file's faults."""

    tests: tuple[str, ...]


_PROMOTION = "tests/unit/artifacts/release/test_promotion.py"
TARGETS = {
    "core/decision.py": Target(("tests/unit/core/test_decision.py",)),
    "components/evaluate_model/gate.py": Target(("tests/component/evaluate_model/test_evaluation_rules.py",)),
    "artifacts/schema/anomalies.py": Target(("tests/unit/artifacts/test_explained_anomalies.py",)),
    "components/validate_data/comparisons.py": Target(("tests/component/validate_data/test_comparisons.py",)),
    "components/compress_model/gate.py": Target(("tests/component/compress_model/test_gate.py",)),
    "components/measure_fairness/gate.py": Target(("tests/component/measure_fairness/test_fairness_rules.py",)),
    "artifacts/release/promotion.py": Target((_PROMOTION,)),
    "artifacts/release/checks.py": Target(("tests/unit/artifacts/release/test_release_checks.py", _PROMOTION)),
    "components/promote_release/logic.py": Target(("tests/component/promote_release/test_promote_release.py",)),
    "core/backends/signature.py": Target(("tests/unit/backends/test_signatures.py",)),
}
_WHITE_SPACE = "white space in a file of JSON"
EQUIVALENT: dict[str, dict[str, str]] = {
    "core/decision.py": {
        'durable.replace(target, f"{self.model_dump_json(indent=2)}\\n".encode()) -> '
        'durable.replace(target, f"{self.model_dump_json(indent= 3)}\\n".encode())': _WHITE_SPACE,
        'durable.replace(target, f"{self.model_dump_json(indent=2)}\\n".encode()) -> '
        'durable.replace(target, f"{self.model_dump_json(indent= 1)}\\n".encode())': _WHITE_SPACE,
        'print(f"{LOG_MARK}{self.model_dump_json()}", flush=True) -> '
        'print(f"{LOG_MARK}{self.model_dump_json()}", flush=False)': "seen only where a process dies after it",
    },
    "components/evaluate_model/gate.py": {
        "largest = sorted(small, key=lambda item: -item.examples)[:20] -> "
        "largest = sorted(small, key=lambda item: ~item.examples)[:20]": "~n is -n - 1: the order is the same",
    },
    "components/measure_fairness/gate.py": {
        'return ", ".join(f"{name}={value}" for name, value in zip(features, group.values, strict=True)) -> '
        'return ", ".join(f"{name}={value}" for name, value in zip(features, group.values, strict=False))': (
            "a group has one value of each feature"
        ),
    },
    "core/backends/signature.py": {
        "if TYPE_CHECKING: -> if not TYPE_CHECKING:": "imports what annotations name, earlier than it is needed",
    },
}
"""File -> a fault's change -> why no test can tell it from the original."""
