"""The graph of a run as SVG: its tasks as boxes, inside the groups they belong to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from localrun.display.boxes import Box, boxes
from localrun.markup import COLOURS, GREY, INK
from localrun.records import Run, TaskRun
from localrun.spec.pipeline import Pipeline

_WIDTH, _HEIGHT = 190, 40
_GAP_X, _GAP_Y = 46, 14
_PAD, _HEAD = 12, 24
"""Around the boxes of a group, and above them for its name."""
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'
_LETTERS = 26
"""Letters of a name that fit into a box."""

Size = tuple[int, int]


def graph(pipeline: Pipeline, run: Run) -> str:
    """Draw tasks from left to right, each after those it waited for, and a frame around each group."""
    whole = boxes(pipeline, run)
    sizes: dict[int, Size] = {}
    _measure(whole, sizes)
    width, height = _inside(whole, sizes)
    return svg(width, height, f"Graph of {run.run_id}", list(_inner(whole, (0, 0), sizes)))


def status(task: TaskRun) -> str:
    """A task's state in a few words."""
    if task.cached:
        return "from the cache"
    return f"{task.state}, {task.seconds:.1f} s" if task.seconds else str(task.state)


def shortened(text: str, length: int) -> str:
    """Cut a text in its middle, because names differ at their ends."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[-(length - 1 - head) :]}"


def svg(width: int, height: int, title: str, shapes: Sequence[str]) -> str:
    """Return a picture that needs nothing else."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" {_FONT}>'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *shapes, "</svg>\n"])


def _measure(box: Box, sizes: dict[int, Size]) -> None:
    for inner in box.inner:
        _measure(inner, sizes)
    if not box.columns:
        sizes[id(box)] = (_WIDTH, _HEIGHT)
        return
    width, height = _inside(box, sizes)
    sizes[id(box)] = (max(width, 100) + 2 * _PAD, height + _HEAD + _PAD)


def _inside(box: Box, sizes: dict[int, Size]) -> Size:
    """Width and height of a group's boxes without the frame."""
    widths = [max(sizes[id(inner)][0] for inner in column) for column in box.columns]
    heights = [sum(sizes[id(inner)][1] for inner in column) + _GAP_Y * (len(column) - 1) for column in box.columns]
    return sum(widths) + _GAP_X * max(len(widths) - 1, 0), max(heights, default=0)


def _inner(box: Box, corner: Size, sizes: dict[int, Size]) -> Iterator[str]:
    """Draw what is inside a group."""
    places: dict[int, Size] = {}
    x = corner[0]
    for column in box.columns:
        y = corner[1]
        for inner in column:
            places[id(inner)] = (x, y)
            y += sizes[id(inner)][1] + _GAP_Y
        x += max(sizes[id(inner)][0] for inner in column) + _GAP_X
    for source, target in sorted(box.edges, key=lambda edge: (places[edge[0]], places[edge[1]])):
        yield _line(places[source], sizes[source], places[target], sizes[target])
    for inner in box.inner:
        if inner.columns:
            yield from _frame(inner, places[id(inner)], sizes)
        else:
            yield _box(inner, places[id(inner)])


def _line(source: Size, size: Size, target: Size, other: Size) -> str:
    x1, y1, x2, y2 = source[0] + size[0], source[1] + size[1] // 2, target[0], target[1] + other[1] // 2
    middle = x2 - _GAP_X // 2
    return (
        f'<path d="M{x1} {y1} L{x2 - _GAP_X} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" stroke="{GREY}"/>'
    )


def _frame(box: Box, place: Size, sizes: dict[int, Size]) -> Iterator[str]:
    (x, y), (width, height) = place, sizes[id(box)]
    failed = "FAILED" in box.states()
    colour = COLOURS["FAILED"] if failed else GREY
    about = f"{box.name}, {status(box.task)}" if box.task else box.name
    title = f"<title>{escape(box.task.path)}</title>" if box.task else ""
    name = escape(shortened(about, max((width - 2 * _PAD) // 7, 12)))
    yield (
        f'<g class="group">{title}<rect x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" rx="8" '
        f'fill="#0000000a" stroke="{colour}" stroke-dasharray="4 3"/>'
        f'<text x="{x + _PAD}" y="{y + 16}" fill="{colour}" font-size="11">{name}</text></g>'
    )
    yield from _inner(box, (x + _PAD, y + _HEAD), sizes)


def _box(box: Box, place: Size) -> str:
    x, y = place
    states = box.states()
    worst = next((state for state in COLOURS if state != "SUCCEEDED" and states[state]), next(iter(states)))
    colour = COLOURS.get(worst, GREY)
    about = status(box.task) if box.task else _counted(states) if box.folded else "PENDING"
    title = f"<title>{escape(box.task.path)}</title>" if box.task else ""
    dashes = ' stroke-dasharray="2 3"' if box.folded else ""
    return (
        f'<g class="task">{title}'
        f'<rect x="{x + 1}" y="{y + 1}" width="{_WIDTH - 2}" height="{_HEIGHT - 2}" rx="5" '
        f'fill="white" stroke="{colour}" stroke-width="2"{dashes}/>'
        f'<text x="{x + 10}" y="{y + 17}" fill="{INK}">{escape(shortened(box.name, _LETTERS))}</text>'
        f'<text x="{x + 10}" y="{y + 32}" fill="{colour}" font-size="10">{escape(shortened(about, 34))}</text></g>'
    )


def _counted(states: "Counter[str]") -> str:
    return ", ".join(f"{count:,} {state}" for state, count in states.most_common())
