"""Compression beside tfmot, in one run: flights, digits and spam by `mlops compress`, and Fashion-MNIST by both.

    make peers
    python -m benchmarks.compression [--fashion FOLDER] [--usecases flight_delay,digits,spam] [--out FILE] [--write]

Fashion-MNIST is read from FOLDER with its four files, as Debian's package dataset-fashion-mnist installs them; without
it only the use cases are measured. The network is the series' own: 12 filters, pooling, a dense layer; 20,410 weights.
The peer, tensorflow-model-optimization, works on tf-keras alone and runs in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compression import fashion
from benchmarks.compression.tables import of_the_peer, of_variants
from benchmarks.models.prepared import Circumstances, write_between
from core.user_code import ROOT

PAGE = ROOT / "docs" / "compression.md"
VARIANTS = ("float16", "dynamic_range", "int8", "qat", "pruned", "pruned+dynamic_range", "pruned+qat")
UNTRAINED = ("float16", "dynamic_range", "int8")
SECONDS = 15.0
"""For the stage with four variants, these and the float32 reference: rows, conversions, measurements, gate, export."""
MOST_LOST, MOST_LOST_BY_A_SLICE = 0.001, 0.005
PRUNED, PRUNED_AND_QUANTIZED = 3.0, 9.0
"""How many times smaller than the uncompressed file, gzip to gzip."""
MOST_LOST_TO_CONTROL = 0.02


def main() -> None:
    """Measure, print, keep as JSON, write the page where asked, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression", description=__doc__)
    source = fashion.FOLDER
    parser.add_argument("--fashion", type=Path, default=source, help=f"folder of Fashion-MNIST (default: {source})")
    parser.add_argument("--usecases", default="flight_delay,digits,spam", help="which use cases; empty: none")
    parser.add_argument("--no-peer", action="store_true", help="without tfmot")
    parser.add_argument("--out", type=Path, help="where to keep the numbers")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/compression.md")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="compression-") as folder:
        for name in filter(None, asked.usecases.split(",")):
            circumstances = Circumstances()
            found[name] = usecase(name, Path(folder))
            took = f"The stage makes float32 and these without training in {found[name]['four_variants_seconds']:.1f} s"
            four = f"{took}: {', '.join(UNTRAINED)}."
            _show(name, f"{circumstances} {of_variants(found[name])}\n\n{four}", write=asked.write)
        if not fashion.is_there(asked.fashion):
            print(f"no Fashion-MNIST in {asked.fashion}: not measured")
        else:
            circumstances = Circumstances()
            found["fashion"] = fashion.compressed(asked.fashion, VARIANTS, Path(folder))
            _show("Fashion-MNIST", f"{circumstances} {of_variants(found['fashion'])}", write=asked.write)
            if not asked.no_peer:
                found["tfmot"] = fashion.by_the_peer(Path(folder))
                _show("tfmot", of_the_peer(found["tfmot"], found["fashion"]), write=asked.write)
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    goals = list(kept(found))
    for name, holds in goals:
        print(f"{'kept  ' if holds else 'MISSED'} {name}")
    sys.exit(0 if all(holds for _, holds in goals) else 1)


def _show(name: str, text: str, *, write: bool) -> None:
    print(f"\n### {name}\n\n{text}", flush=True)
    if write:
        write_between(PAGE, name, text)


def usecase(name: str, folder: Path) -> dict[str, Any]:
    """Compress a use case in a store of its own; returns its compression, and the stage's seconds for four variants."""
    found = _compressed(name, VARIANTS, folder)
    four = _compressed(name, UNTRAINED, folder)  # all before the stage comes from the cache
    stage = next(task for task in four["tasks"] if task["name"] == "compress-model")
    compression: dict[str, Any] = found["compression"]
    return compression | {"four_variants_seconds": stage["seconds"]}


def _compressed(name: str, variants: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run `mlops compress`; returns what it prints."""
    also = [option for one in variants for option in ("--also", one) if one != "dynamic_range"]
    ran = subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", "compress", name, "--ship", "dynamic_range", *also, "--json"],
        env={**os.environ, "MLOPS_HOME": str(folder / "store"), "MLOPS_WARM": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answered: dict[str, Any] = json.loads(ran.stdout)
    except ValueError:
        raise RuntimeError(f"mlops compress {name}: {ran.stderr[-2000:]}") from None
    if answered.get("compression") is None:
        raise RuntimeError(f"mlops compress {name}: {answered}")
    return answered


def kept(found: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield each goal and whether it was kept."""
    if "flight_delay" in found:
        flights = found["flight_delay"]
        variants = {one["name"]: one for one in flights["variants"]}
        seconds = flights["four_variants_seconds"]
        yield f"flights: the stage makes four variants within {SECONDS:g} s ({seconds:.1f} s)", seconds <= SECONDS
        for name in UNTRAINED:
            overall, *slices = variants[name]["tflite"]["losses"]
            worst = max(one["loss"] for one in slices)
            holds = overall["loss"] <= MOST_LOST and worst <= MOST_LOST_BY_A_SLICE
            yield f"flights: {name} loses {overall['loss']:.5f}, the worst slice {worst:.5f}", holds
    if "fashion" in found:
        images = found["fashion"]
        variants = {one["name"]: one for one in images["variants"]}
        plain, control = variants["float32"]["tflite"]["size"]["gzip"], images["control"]["value"]
        for name, wanted in (("pruned", PRUNED), ("pruned+dynamic_range", PRUNED_AND_QUANTIZED)):
            form = variants[name]["tflite"]
            smaller, lost = plain / form["size"]["gzip"], control - form["losses"][0]["value"]
            holds = smaller >= wanted and lost <= MOST_LOST_TO_CONTROL
            yield f"images: {name} is {smaller:.1f} times smaller and loses {lost:.4f} to the control", holds


if __name__ == "__main__":
    main()
