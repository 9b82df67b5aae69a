"""Labeling functions and the label model beside snorkel's applier, in one process and on the same texts.

`python -m benchmarks.labeling --peer FOLDER` measures snorkel's PandasLFApplier, where FOLDER holds the package:
`uv pip install --no-deps --target FOLDER snorkel==0.10.0 tqdm networkx munkres`. Its label model needs torch and is not
measured. Without a peer, the functions are compared with a loop of pandas' `apply`, which is what that applier is.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from problems.labeling import functions as lf
from problems.labeling import label_model
from problems.labeling.apply import Applier
from problems.labeling.votes import ABSTAIN, Votes

FASTER = 15.0
"""How many times the rows a second of the peer."""
SECONDS = 3.0
"""For a label model of a million rows and ten functions, fitted and asked."""
ROWS, FUNCTIONS = 1_000_000, 10
CLASSES = ("ham", "spam")

KEYWORDS = (["free"], ["win", "won", "prize"], ["call"], ["claim", "urgent"])
PATTERNS = (r"https?:|www\.", r"\d{5,}", r"check.*out")
SHORT, LONG = 5, 25


def main() -> None:
    """Measure, print, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labeling", description=__doc__)
    parser.add_argument("--peer", type=Path, help="folder with snorkel; without it, a loop of pandas' apply")
    parser.add_argument("--rows", type=int, default=40_000, help="texts (default: 40000)")
    asked = parser.parse_args()
    kept = [_applying(asked.rows, asked.peer), _fitting()]
    sys.exit(0 if all(kept) else 1)


def _applying(rows: int, peer: Path | None) -> bool:
    texts = _texts(rows)
    batch = pa.RecordBatch.from_arrays([pa.array(texts)], ["text"])
    applier = Applier(_declared(), CLASSES)
    applier.votes(batch.slice(0, 100))
    ours, votes = _measured(lambda: applier.votes(batch))
    frame = pd.DataFrame({"text": texts})
    name, apply = _peer(peer)
    theirs, their_votes = _measured(lambda: apply(frame))
    if not np.array_equal(votes, their_votes):
        sys.exit("error: wanted the same votes of both, got others; nothing was compared")
    ratio = theirs / ours
    print(f"{len(_declared())} labeling functions on {rows:,} texts, CPU seconds, the same votes")
    print(f"  this program   {ours:8.3f}   {rows / ours:12,.0f} rows/s")
    print(f"  {name:<14} {theirs:8.3f}   {rows / theirs:12,.0f} rows/s")
    return _goal(f"{ratio:.1f} times the rows a second, at least {FASTER:g}", kept=ratio >= FASTER)


def _fitting() -> bool:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, ROWS)
    votes = np.full((ROWS, FUNCTIONS), ABSTAIN, np.int16)
    for index in range(FUNCTIONS):
        right = random.random(ROWS) < 0.6 + 0.03 * index
        voted = random.random(ROWS) < 0.5
        votes[voted, index] = np.where(right, truth, 1 - truth)[voted]
    seconds, found = _measured(lambda: label_model.fit(votes, np.array([0.5, 0.5])).predict(votes))
    accuracy = float((found.argmax(axis=1) == truth).mean())
    print(f"label model, {ROWS:,} rows x {FUNCTIONS} functions, fitted and asked: accuracy {accuracy:.3f}")
    return _goal(f"{seconds:.2f} CPU seconds, at most {SECONDS:g}", kept=seconds <= SECONDS)


def _measured(work: Callable[[], NDArray[Any]]) -> tuple[float, NDArray[Any]]:
    """Return CPU seconds of this process, the best of three, and what came out."""
    best, found = float("inf"), np.zeros(0)
    for _ in range(3):
        start = time.process_time()
        found = work()
        best = min(best, time.process_time() - start)
    return best, found


def _goal(what: str, *, kept: bool) -> bool:
    print(f"  {'kept' if kept else 'MISSED'}: {what}\n")
    return kept


def _texts(rows: int) -> list[str]:
    """Return texts of some words each; the same in every run."""
    random = np.random.default_rng(0)
    spam = [
        "free",
        "win",
        "prize",
        "call",
        "now",
        "claim",
        "urgent",
        "at",
        "www.x.com",
        "0906170",
        "check",
        "it",
        "out",
    ]
    words = [*spam, "home", "dinner", "love", "see", "you", "later"]
    lengths = random.integers(2, 30, rows)
    chosen = random.integers(0, len(words), int(lengths.sum()))
    ends = np.cumsum(lengths)
    return [" ".join(words[word] for word in chosen[end - size : end]) for end, size in zip(ends, lengths, strict=True)]


def _declared() -> list[Any]:
    return [
        *(lf.keyword("text", words, "spam", name=words[0]) for words in KEYWORDS),
        *(lf.regex("text", pattern, "spam") for pattern in PATTERNS),
        lf.length("text", "ham", below=SHORT).named("short"),
        lf.length("text", "spam", above=LONG).named("long"),
    ]


def _row_by_row() -> list[tuple[str, Callable[[Any], int]]]:
    """Return the same functions as people write them for snorkel."""

    def keyword(words: Sequence[str]) -> Callable[[Any], int]:
        return lambda x: 1 if any(word in x.text.lower() for word in words) else ABSTAIN

    def regex(pattern: str) -> Callable[[Any], int]:
        return lambda x: 1 if re.search(pattern, x.text, flags=re.IGNORECASE) else ABSTAIN

    return [
        *((words[0], keyword(words)) for words in KEYWORDS),
        *((pattern, regex(pattern)) for pattern in PATTERNS),
        ("short", lambda x: 0 if len(x.text.split()) < SHORT else ABSTAIN),
        ("long", lambda x: 1 if len(x.text.split()) > LONG else ABSTAIN),
    ]


def _peer(folder: Path | None) -> tuple[str, Callable[[pd.DataFrame], Votes]]:
    """Return the peer's name, and its way to apply the functions to a frame."""
    if folder is None:
        functions = [function for _, function in _row_by_row()]
        return "pandas' apply", lambda frame: np.array(
            frame.apply(lambda row: [function(row) for function in functions], axis=1).tolist(), np.int16
        )
    sys.path.append(str(folder))
    from snorkel.labeling import LabelingFunction, PandasLFApplier

    peers = [LabelingFunction(name, function) for name, function in _row_by_row()]
    applier = PandasLFApplier(peers)
    return "snorkel 0.10", lambda frame: applier.apply(frame, progress_bar=False).astype(np.int16)


if __name__ == "__main__":
    main()
