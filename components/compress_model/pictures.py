"""Draws the variants: size against quality, how predictions changed, and which layers are sparse."""

from collections.abc import Iterator
from pathlib import Path

from artifacts.compression.compression import Compression, Format, VariantResult
from core import pictures
from core.decision import Decision, Verdict
from core.pictures import COLORS, Markup, Series


def draw(compression: Compression, decision: Decision, path: Path | str) -> None:
    """Write the pictures."""
    parts: list[str] = [pictures.verdict(decision.verdict.value), decision.summary]
    parts += [_table(compression), _sizes_and_quality(compression), _differences(compression)]
    parts += _layers(compression)
    parts += _slices(compression)
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    if closed:
        rows = [
            [pictures.verdict(one.verdict.value), one.rule, one.slice, one.observed, one.next_step] for one in closed
        ]
        parts.append(pictures.table(["verdict", "rule", "slice", "observed", "next step"], rows))
    parts.append(
        Markup(
            "<p>"
            + pictures.muted(
                "Times are medians of the body without its transform on one core of this machine; int8 is not faster "
                "on every processor. A variant that is trained further is compared with the control, which had the "
                "same extra epochs."
            )
            + "</p>"
        )
    )
    pictures.write(path, pictures.fragment("Compression", *parts))


def _table(compression: Compression) -> Markup:
    metric = compression.metric
    heads = [
        "variant",
        "format",
        "bytes",
        "gzip",
        "row us",
        "1000 rows us",
        metric,
        "lost",
        "worst slice lost",
        "parity",
    ]
    rows: list[list[str | float | None]] = [_row("uncompressed", "SavedModel", compression.uncompressed, None)]
    for one in compression.variants:
        name: str = pictures.bold(one.name) if one.name == compression.shipped else one.name
        if one.fault:
            rows.append([name, one.signal or "not converted", *[None] * 7, one.fault[:200]])
            continue
        for title, found in (("SavedModel", one.saved_model), ("TFLite", one.tflite)):
            if found is not None:
                rows.append(_row(name, title, found, one.parity.agreement if one.parity else None))
        if one.sparse is not None:
            rows.append([name, "TFLite, sparse", one.sparse.raw, one.sparse.gzip, *[None] * 6])
    if compression.control is not None:
        control = compression.control
        size = control.size
        title = f"control: {control.epochs} more epochs"
        rows.append([title, "SavedModel", size.raw, size.gzip, None, None, control.value, None, None, None])
    return pictures.table(heads, rows)


def _row(name: str, title: str, found: Format, agreement: float | None) -> list[str | float | None]:
    overall, *slices = found.losses
    worst = max((one.loss for one in slices if one.loss is not None), default=None)
    return [
        name,
        title,
        found.size.raw,
        found.size.gzip,
        found.latency.row_us,
        found.latency.thousand_rows_us,
        overall.value,
        overall.loss,
        worst,
        agreement,
    ]


def _converted(compression: Compression) -> Iterator[tuple[VariantResult, Format]]:
    for one in compression.variants:
        if one.tflite is not None:
            yield one, one.tflite


def _sizes_and_quality(compression: Compression) -> Markup:
    with pictures.figure(6.0, 3.2) as figure:
        axes = figure.add_subplot()
        for index, (one, found) in enumerate(_converted(compression)):
            value = found.losses[0].value
            color = COLORS[index % len(COLORS)]
            axes.scatter([found.size.gzip], [float("nan") if value is None else value], color=color, label=one.name)
        for value, title in (
            (compression.uncompressed.losses[0].value, "uncompressed"),
            (compression.control.value if compression.control else None, "control"),
        ):
            if value is not None:
                axes.axhline(value, linestyle=":" if title == "control" else "--", color="#8a8f98", label=title)
        axes.set_xlabel("bytes of the TFLite file after gzip")
        axes.set_ylabel(compression.metric)
        axes.set_title("size against quality")
        axes.legend(fontsize=7)
        return pictures.svg(figure, "size of each variant against its quality")


def _differences(compression: Compression) -> Markup:
    edges = compression.edges
    labels = [f"below {edges[0]:g}", *(f"{edge:g} and more" for edge in edges)]
    rows: list[list[str | float | None]] = []
    for one, found in _converted(compression):
        total = sum(found.differences) or 1
        shares = [count / total for count in found.differences]
        rows.append(
            [one.name, pictures.bars([Series(one.name, shares)], labels), *(f"{share:.1%}" for share in shares)]
        )
    return pictures.table(["difference to the uncompressed prediction", "", *labels], rows)


def _layers(compression: Compression) -> Iterator[Markup]:
    pruned = [one for one in compression.variants if one.layers and any(layer.zeros > 0.2 for layer in one.layers)]
    for one in pruned:
        with pictures.figure(6.0, 0.35 * len(one.layers) + 0.9) as figure:
            axes = figure.add_subplot()
            axes.barh([layer.path for layer in one.layers], [layer.zeros for layer in one.layers], color=COLORS[0])
            axes.set_xlim(0, 1)
            axes.invert_yaxis()
            axes.set_title(f"share of weights that are 0 in {one.name}")
            yield pictures.svg(figure, f"sparsity of each layer in {one.name}")


def _slices(compression: Compression) -> Iterator[Markup]:
    """List the slices of the shipped variant that lose most."""
    shipped = compression.variant(compression.shipped)
    if shipped is None or shipped.tflite is None:
        return
    known = [one for one in shipped.tflite.losses[1:] if one.loss is not None]
    worst = sorted(known, key=lambda one: -(one.loss or 0.0))[:10]
    if worst:
        rows: list[list[str | float | None]] = [[one.slice, one.rows, one.value, one.loss] for one in worst]
        yield pictures.table([f"slices that {shipped.name} loses most on", "rows", compression.metric, "lost"], rows)
