"""The tables of docs/compression.md."""

from collections.abc import Mapping
from typing import Any

from benchmarks.models.prepared import table

_HEADINGS = (
    "TFLite", "bytes", "gzip", "smaller, gzip to gzip", "sparse encoding, bytes / gzip", "a row, µs",
    "1,000 rows, µs", "{metric}", "lost", "worst slice lost", "same class as the SavedModel, largest difference",
)  # fmt: skip


def of_variants(found: Mapping[str, Any]) -> str:
    """Return a compression: the files for devices, and the control."""
    body = found["uncompressed"]["size"]
    plain = next(one for one in found["variants"] if one["name"] == "float32")["tflite"]["size"]["gzip"]
    rows = [_row(one, plain) for one in found["variants"]]
    if found["control"]:
        control = found["control"]
        name = f"control, {control['epochs']} more epochs"
        rows.append([name, *[""] * 6, f"{control['value']:.4f}", *[""] * 3])
    headings = [one.format(metric=_title(found["metric"])) for one in _HEADINGS]
    size = f"the body without its transform (SavedModel {body['raw']:,} bytes, {body['gzip']:,} after gzip)"
    return f"{found['rows']:,} rows, {size}:\n\n{table(headings, rows)}"


def _row(one: Mapping[str, Any], plain: int) -> list[str]:
    if one["fault"]:
        return [one["name"], one["signal"] or one["fault"][:80], *[""] * 9]
    form, sparse = one["tflite"], one["sparse"]
    overall, *slices = form["losses"]
    worst = max((part["loss"] for part in slices if part["loss"] is not None), default=None)
    size, latency, parity = form["size"], form["latency"], one["parity"]
    return [
        one["name"],
        f"{size['raw']:,}",
        f"{size['gzip']:,}",
        f"{plain / size['gzip']:.1f}",
        f"{sparse['raw']:,} / {sparse['gzip']:,}" if sparse else "",
        f"{latency['row_us']:.1f}",
        f"{latency['thousand_rows_us']:.0f}",
        f"{overall['value']:.4f}",
        f"{overall['loss']:.4f}",
        "" if worst is None else f"{worst:.4f}",
        f"{parity['agreement']:.2%}, {parity['max_difference']:.1e}",
    ]


def of_the_peer(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return what tfmot reached, each side against its own control."""
    control = next(one["accuracy"] for one in theirs["variants"] if one["name"] == "control")
    our_control = ours["control"]["value"]
    our_values = {one["name"]: one["tflite"]["losses"][0]["value"] for one in ours["variants"] if not one["fault"]}
    rows = []
    for one in theirs["variants"]:
        name = one["name"]
        is_trained = name != "control" and ("qat" in name or "pruned" in name)
        our_change = f"{our_values[name] - our_control:+.4f}" if is_trained and name in our_values else ""
        change = f"{one['accuracy'] - control:+.4f}" if is_trained else ""
        rows.append([name, f"{one['raw']:,}", f"{one['gzip']:,}", f"{one['accuracy']:.4f}", change, our_change])
    return table(["TFLite", "bytes", "gzip", "accuracy", "against its control", "here, against ours"], rows)


def _title(metric: str) -> str:
    return {"auc": "AUC", "sparse_categorical_accuracy": "accuracy"}.get(metric, metric)
