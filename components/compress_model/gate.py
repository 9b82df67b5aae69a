"""Decides whether the variant that goes on is as good as the uncompressed model, slice by slice and in both formats."""

from collections.abc import Iterator

from artifacts.compression.compression import Compression, Format, VariantResult
from components.compress_model.config import Config, Evaluation
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "compress_model"


def decide(config: Config, evaluation: Evaluation, compression: Compression, subject: str = "") -> Decision:
    """Compare the shipped variant with every threshold; `subject` is the digest of its SavedModel."""
    shipped = compression.variant(compression.shipped)
    assert shipped is not None
    checks = [_converted(shipped)]
    if not shipped.fault:
        checks += [
            *_parity(config, shipped),
            *_losses(config, evaluation, compression, shipped),
            *_costs(config, compression, shipped),
        ]
    return Decision.of(GATE, tuple(checks), subject=subject)


def _converted(shipped: VariantResult) -> Check:
    return Check(
        rule=f"{shipped.name} is converted, and predicts finite numbers",
        observed=shipped.fault or "converted",
        verdict=Verdict.FAIL if shipped.fault else Verdict.PASS,
        next_step=f"Ship another variant, or correct build_model: {shipped.fault}" if shipped.fault else "",
    )


def _parity(config: Config, shipped: VariantResult) -> Iterator[Check]:
    parity, bounds = shipped.parity, config.thresholds
    step = (
        "SavedModel and TFLite file predict differently: ship qat in place of int8, or hold them to another "
        "compress_model.thresholds.{}, if devices alone use the file."
    )
    yield compare(
        "share of rows with the same class in SavedModel and TFLite file",
        None if parity is None else parity.agreement,
        Bound(bounds.agreement),
        next_step=step.format("agreement"),
    )
    yield compare(
        "largest difference between predictions of SavedModel and TFLite file",
        None if parity is None else parity.max_difference,
        Bound(at_most=bounds.max_difference),
        next_step=step.format("max_difference"),
    )


def _losses(
    config: Config, evaluation: Evaluation, compression: Compression, shipped: VariantResult
) -> Iterator[Check]:
    for name, found in (("SavedModel", shipped.saved_model), ("TFLite file", shipped.tflite)):
        yield from _losses_of(config, compression, name, found)
    if evaluation.slices and shipped.tflite is not None:
        large = len(shipped.tflite.losses) - 1
        yield Check(
            rule=f"the loss is checked on slices of {evaluation.min_slice_examples} rows or more",
            observed=f"{large} slices",
            verdict=Verdict.PASS if large else Verdict.UNDECIDED,
            next_step="" if large else "No slice is large enough: take more rows, or lower min_slice_examples.",
        )
    if shipped.epochs and compression.control is not None:
        control, value = compression.control.value, _value(shipped.saved_model)
        lost = None
        if control is not None and value is not None:
            lost = control - value if compression.more_is_better else value - control
        yield compare(
            f"{compression.metric} lost against {compression.control.epochs} more epochs without compression",
            lost,
            Bound(at_most=config.thresholds.max_loss_to_control),
            next_step="Prune less (compress_model.pruning.final_sparsity), or train for more epochs.",
        )


def _losses_of(config: Config, compression: Compression, name: str, found: Format | None) -> Iterator[Check]:
    """Check all rows and each slice of one format; only slices that lose too much are listed one by one."""
    bounds, metric = config.thresholds, compression.metric
    if found is None:
        return
    overall, *slices = found.losses
    yield compare(
        f"{metric} lost by the {name}",
        overall.loss,
        Bound(at_most=bounds.max_loss),
        next_step="Ship a variant that loses less, such as float16, or qat in place of int8.",
    )
    for one in slices:
        yield compare(
            f"{metric} lost by the {name}",
            one.loss,
            Bound(at_most=bounds.max_slice_loss),
            slice=one.slice,
            next_step=f"The {one.rows} rows of {one.slice} lose more than the rest: ship a variant that keeps them.",
        )
    for what, gap in found.gaps.items():
        before = compression.uncompressed.gaps.get(what)
        yield compare(
            f"growth of the gap in {what}, {name}",
            None if gap is None or before is None else gap - before,
            Bound(at_most=bounds.max_gap_growth),
            next_step="Groups are treated less alike than before: ship a variant that keeps them together.",
        )


def _costs(config: Config, compression: Compression, shipped: VariantResult) -> Iterator[Check]:
    bounds, plain = config.thresholds, compression.variant("float32")
    smaller = None
    if plain is not None and plain.tflite is not None and shipped.tflite is not None:
        smaller = plain.tflite.size.gzip / shipped.tflite.size.gzip
    yield compare(
        "how many times smaller the TFLite file is than the uncompressed one, gzip to gzip",
        smaller,
        Bound(bounds.smaller_by),
        next_step="Ship a variant that is smaller, or lower compress_model.thresholds.smaller_by.",
    )
    if bounds.row_us is not None:
        yield compare(
            "median microseconds of one row in the TFLite file",
            None if shipped.tflite is None else shipped.tflite.latency.row_us,
            Bound(at_most=bounds.row_us),
            next_step="Make the model smaller, or raise compress_model.thresholds.row_us.",
        )


def _value(found: Format | None) -> float | None:
    return None if found is None else found.losses[0].value
