"""The rows about features and data: D1 to D7."""

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.model.names import FEATURES
from core.decision import Check
from core.user_code import digest_of
from mlops.actions.scoring.checks import (
    Facts,
    at_least,
    at_most,
    decided,
    files,
    holds,
    measured,
    required,
    resting_on,
)
from mlops.actions.scoring.drills import privacy
from mlops.actions.scoring.rows import Findings
from mlops.actions.scoring.subject import Subject

LEAST_COVERAGE = 0.9
"""Share of the lines and branches of module.py that its tests must run."""
MOST_FILES = 2
MOST_SECONDS = 600.0
"""To a trained model with a new feature."""


def expectations(subject: Subject) -> Findings:
    """D1: the schema says what each feature may be, and finds what is not so."""
    vague = [feature.name for feature in subject.serving_features if not _is_bounded(feature)]
    task = subject.task("validate_data")
    schema = str(task.parameters.get("schema", "")) if task is not None else ""
    present = subject.identity["schema"]
    checks = [
        holds(
            f"each of {len(subject.serving_features)} features has a type, a presence, and a domain or range",
            bool(subject.serving_features) and not vague,
            ", ".join(vague) or "all",
            f"complete {', '.join(vague)} in {subject.schema_path.name}: mlops schema propose {subject.usecase.name}",
        ),
        decided(subject, "validate_data"),
        holds(
            "the run was validated by the present schema",
            digest_of(schema) == present if schema else None,
            schema.rpartition("@")[2] or "no run",
            subject.run_command,
        ),
        *measured(subject, "schema_faults", _all_faults_found),
    ]
    return resting_on(subject, "schema_faults", checks, subject.schema_path)


def _is_bounded(feature: schema_pb2.Feature) -> bool:
    """Whether a feature has expectations; a text or a picture has no range, but rules about what is derived of it."""
    has_presence = feature.HasField("presence") or feature.HasField("group_presence")
    is_free = feature.type == schema_pb2.BYTES and feature.WhichOneof("domain_info") in (
        "natural_language_domain",
        "image_domain",
        "string_domain",
        "domain",
    )
    if feature.type == schema_pb2.BYTES:
        return bool(has_presence) and (is_free or _has_derived_rules(feature))
    domain = feature.WhichOneof("domain_info")
    if domain not in ("int_domain", "float_domain"):
        return False
    bounds = getattr(feature, domain)
    return bool(has_presence and bounds.HasField("min") and bounds.HasField("max"))


def _has_derived_rules(feature: schema_pb2.Feature) -> bool:
    return bool(feature.HasField("value_count") or feature.HasField("shape"))


def _all_faults_found(facts: Facts) -> Iterator[Check]:
    missed = ", ".join(facts["missed"]) or "none"
    step = f"tighten the rules of {missed} in the schema"
    planted = int(facts["planted"])
    yield holds(f"{planted} planted faults are found", planted > 0 and not facts["missed"], f"missed: {missed}", step)


def benefits(subject: Subject) -> Findings:
    """D2: no feature is without effect, or makes the model measurably worse, unless a person says why it stays."""
    kept = subject.usecase.features.kept

    def check(facts: Facts) -> Iterator[Check]:
        for name, one in facts["features"].items():
            gives = "nothing" if one["low"] == one["high"] == 0 else f"{one['low']:.4f} to {one['high']:.4f}"
            is_kept = name in kept
            yield holds(
                f"{name} does not surely lower the {facts['skill']}, and is not without effect",
                is_kept or (one["high"] >= 0 and gives != "nothing"),
                f"it gives {gives}" + (f"; kept: {kept[name]}" if is_kept else ""),
                f"take {name} out of module.py and the schema, or say why it stays under features.kept in config.yaml",
            )
        wanted = {feature.name for feature in subject.serving_features}
        missing = sorted(wanted - facts["features"].keys())
        yield holds(
            "every feature of the schema was left out once", not missing, ", ".join(missing) or "all", "measure again"
        )

    return resting_on(subject, "ablation", measured(subject, "ablation", check), subject.schema_path)


def costs(subject: Subject) -> Findings:
    """D3: no feature costs too much."""
    rules = subject.usecase.features

    def check(facts: Facts) -> Iterator[Check]:
        for name, one in facts["features"].items():
            step = f"make {name} cheaper in preprocessing_fn, or raise the budget under features in config.yaml"
            yield at_most(f"{name}: nanoseconds a row", one["nanoseconds"], rules.max_nanoseconds, step)
            yield at_most(f"{name}: vocabulary bytes", one["vocabulary_bytes"], rules.max_vocabulary_bytes, step)
        yield holds("the transform takes a feature", bool(facts["features"]), None, "measure again")

    return resting_on(
        subject, "feature_costs", measured(subject, "feature_costs", check), subject.usecase.folder / "config.yaml"
    )


def meta_level(subject: Subject) -> Findings:
    """D4: no feature is used that policy forbids, in the schema and in the requests of the model."""
    usecase = subject.usecase
    declared = {feature.name for feature in subject.serving_features}
    signature = _signature(subject)
    inputs = signature or set()
    bad = sorted(
        name for name in declared | inputs if any(fnmatch.fnmatch(name, one) for one in usecase.features.forbidden)
    )
    personal = sorted(
        feature.name for feature in subject.serving_features if any("personal" in tag for tag in feature.annotation.tag)
    )
    ethics = usecase.scope_use_case.ethics if usecase.has("scope_use_case") else None
    checks = [
        holds(
            "config.yaml forbids features",
            True if usecase.features.forbidden else None,
            ", ".join(usecase.features.forbidden) or "none",
            "list what must not be used under features.forbidden in config.yaml",
        ),
        holds("no forbidden feature is used", not bad, ", ".join(bad) or "none", f"take out {', '.join(bad)}"),
        holds(
            "the model is asked for the features of the schema, and for no other",
            None if signature is None else inputs == declared,
            ", ".join(sorted(inputs ^ declared)) or "the same",
            subject.run_command,
        ),
        holds("the label is no input", usecase.problem.label not in inputs, usecase.problem.label, "train again"),
        holds(
            "personal features are used only where the scope says so",
            not personal or bool(ethics and ethics.personal_data),
            ", ".join(personal) or "none",
            "set scope_use_case.ethics.personal_data, or take them out",
        ),
    ]
    statement = "scope_use_case.ethics" if ethics is not None and ethics.statement else ""
    return Findings(tuple(checks), files(subject.usecase.folder / "config.yaml", _features_file(subject)), statement)


def _features_file(subject: Subject) -> Path | None:
    return subject.version.path / FEATURES if subject.version is not None else None


def _signature(subject: Subject) -> set[str] | None:
    """Return the features that the model in production is asked for; None where it does not say."""
    path = _features_file(subject)
    if path is None or not path.is_file():
        return None
    return {feature["name"] for feature in json.loads(path.read_bytes())["features"]}


def privacy_controls(subject: Subject) -> Findings:
    """D5: nothing personal is where it should not be, and what is planted is found."""
    leaks = list(privacy.leaks(subject))
    planted, found = privacy.canaries(subject)
    checks = [
        decided(subject, "audit_privacy"),
        required(subject, "audit_privacy"),
        holds(
            "no personal data and no canary is found in the store",
            not leaks,
            "; ".join(leaks[:3]) or "none",
            f"mlops data scan {subject.usecase.cli_name}",
        ),
        at_least(f"of {planted} planted canaries are found", float(found), float(planted), "mend the detectors"),
    ]
    ethics = subject.usecase.scope_use_case.ethics if subject.usecase.has("scope_use_case") else None
    statement = "scope_use_case.ethics" if ethics is not None and ethics.statement else ""
    return Findings(tuple(checks), files(subject.decision_file("audit_privacy")), statement)


def new_features(subject: Subject) -> Findings:
    """D6: a feature can be added quickly."""

    def check(facts: Facts) -> Iterator[Check]:
        yield at_most("files that a new feature changes", len(facts["files"]), MOST_FILES, "see usecases/README.md")
        yield at_most("seconds to a model with it", facts["seconds"], MOST_SECONDS, "see docs/speed.md")
        yield holds("the new feature is in the requests of the model", facts["reached"], None, "see the run's log")

    return resting_on(subject, "new_feature", measured(subject, "new_feature", check))


def tested_code(subject: Subject) -> Findings:
    """D7: the code that makes features is tested."""

    def check(facts: Facts) -> Iterator[Check]:
        yield holds(
            "the tests of module.py pass", facts["passed"] and facts["tests"] > 0, f"{facts['tests']} tests", "run them"
        )
        yield at_least(
            "share of the lines and branches of module.py that they run",
            facts["coverage"],
            LEAST_COVERAGE,
            f"test lines {facts['missing']}",
        )

    return resting_on(
        subject, "feature_tests", measured(subject, "feature_tests", check), subject.usecase.folder / "module.py"
    )
