"""Reads the annotations of Visual Genome and of VRD, for who has them: pairs of boxes with the relation between them.

Visual Genome (CC BY 4.0) is `relationships.json`; VRD (research only) is `annotations_train.json` with `objects.json`
and `predicates.json`. Nothing of either is in this project.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import DataError
from usecases.visual_relations.scenes import Box


class Annotation(NamedTuple):
    """One relation of a picture; pictures are split as a whole, so `image` is the group of its rows."""

    image: str
    predicate: str
    subject: str
    subject_box: Box
    object: str
    object_box: Box


def visual_genome(path: Path) -> Iterator[Annotation]:
    """Yield the relations of Visual Genome's `relationships.json`; DataError, with the place, for anything else."""
    for number, image in enumerate(_list(path)):
        where = f"{path}: image {number}"
        try:
            found = image["relationships"]
            for relation in found:
                subject, other = relation["subject"], relation["object"]
                yield Annotation(
                    str(image["image_id"]),
                    str(relation["predicate"]).strip().lower(),
                    _name(subject),
                    _corner(subject),
                    _name(other),
                    _corner(other),
                )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _malformed(where, "relationships with predicate, subject and object", error) from error


def vrd(path: Path, objects: Path, predicates: Path) -> Iterator[Annotation]:
    """Yield the relations of VRD's annotations, whose categories are numbers in two lists; DataError as above."""
    names, words = _list(objects), _list(predicates)
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise DataError(f"{path}: wanted relations by the name of their picture, got {type(content).__name__}")
    for image, relations in content.items():
        try:
            for relation in relations:
                subject, other = relation["subject"], relation["object"]
                yield Annotation(
                    str(image),
                    str(words[relation["predicate"]]),
                    str(names[subject["category"]]),
                    _sides(subject["bbox"]),
                    str(names[other["category"]]),
                    _sides(other["bbox"]),
                )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _malformed(f"{path}: picture {image!r}", "predicate, subject and object with bbox", error) from error


def _list(path: Path) -> list[Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list):
        raise DataError(f"{path}: wanted a list, got {type(content).__name__}; is this the right file?")
    return content


def _name(thing: dict[str, Any]) -> str:
    """Return a thing's name; older files have a list of names."""
    return str(thing["name"] if "name" in thing else thing["names"][0])


def _corner(thing: dict[str, Any]) -> Box:
    return Box(int(thing["x"]), int(thing["y"]), int(thing["w"]), int(thing["h"]))


def _sides(bbox: list[int]) -> Box:
    """Convert VRD's order of sides: top, bottom, left, right."""
    top, bottom, left, right = map(int, bbox)
    return Box(left, top, right - left, bottom - top)


def _malformed(where: str, wanted: str, error: Exception) -> DataError:
    return DataError(f"{where}: wanted {wanted}, got {type(error).__name__}: {error}")
