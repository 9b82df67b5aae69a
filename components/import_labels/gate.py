"""The gate on imported labels: coverage, classes, agreement, gold questions, conflicts and delays."""

from components.import_labels.config import Config
from components.import_labels.report import Agreement
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "import_labels"


def decide(config: Config, found: Agreement) -> Decision:
    """Return the decision; a check that cannot be computed is undecided, and the gate is closed."""
    covered = found.rows_with_label / found.rows if found.rows else None
    checks = [
        compare(
            "share of rows with a label",
            covered,
            Bound(at_least=config.min_labeled),
            next_step="label more rows: mlops label queue, or import the labels of a process",
        ),
        *_classes(config, found),
        *_agreement(config, found),
        *_gold(config, found),
        compare(
            "share of labeled rows in conflict",
            sum(map(len, found.conflicts)) / found.labeled_rows if found.labeled_rows else 0.0,
            Bound(at_most=config.max_conflicts),
            next_step=f"give rows with equal features equal labels: {_few(found.conflicts)}",
        ),
    ]
    if config.max_delay_days is not None:
        checks.append(
            compare(
                "days after which 9 in 10 labels are known",
                found.delays.days_of_nine_in_ten,
                Bound(at_most=config.max_delay_days),
                next_step="find out which process is late (see the delay curve), or allow for it in max_delay_days",
            )
        )
    return Decision.of(GATE, tuple(checks))


def _classes(config: Config, found: Agreement) -> list[Check]:
    return [
        compare(
            "labeled rows",
            float(count),
            Bound(at_least=config.min_per_class),
            f"class {name}",
            f"label rows of the class {name}: the queue seeds every class",
        )
        for name, count in found.per_class.items()
    ]


def _agreement(config: Config, found: Agreement) -> list[Check]:
    checks = []
    if config.min_alpha is not None:
        step = (
            "make the instruction clearer, or label with more overlap; the confusions show which classes are mixed up"
        )
        checks.append(compare("Krippendorff's alpha", found.alpha, Bound(at_least=config.min_alpha), next_step=step))
    if config.min_kappa is not None:
        enough = [pair for pair in found.pairs if pair.rows >= config.min_shared]
        for pair in enough:
            names = f"{pair.first} and {pair.second}"
            step = f"let {names} discuss the rows on which they differ"
            checks.append(compare("Cohen's kappa", pair.kappa, Bound(at_least=config.min_kappa), names, step))
        if not enough:
            checks.append(
                _undecided("Cohen's kappa", config.min_kappa, f"two annotators share {config.min_shared} rows")
            )
    return checks


def _gold(config: Config, found: Agreement) -> list[Check]:
    if config.min_gold_accuracy is None:
        return []
    asked = [one for one in found.annotators if one.gold_questions >= config.min_shared]
    if not asked:
        why = f"an annotator answered {config.min_shared} gold questions (labels of {config.gold_annotator!r})"
        return [_undecided("accuracy on gold questions", config.min_gold_accuracy, why)]
    return [
        compare(
            "accuracy on gold questions",
            one.gold_accuracy,
            Bound(at_least=config.min_gold_accuracy),
            f"annotator {one.name}",
            f"leave the labels of {one.name} out, or train them again",
        )
        for one in asked
    ]


def _undecided(name: str, threshold: float, wanted: str) -> Check:
    return Check(
        rule=f"{name} >= {threshold:g}",
        threshold=threshold,
        verdict=Verdict.UNDECIDED,
        next_step=f"label until {wanted}, or lower import_labels.min_shared",
    )


def _few(conflicts: list[list[str]]) -> str:
    shown = "; ".join(" and ".join(keys[:3]) for keys in conflicts[:3])
    return shown + (f"; {len(conflicts) - 3} more" if len(conflicts) > 3 else "")
