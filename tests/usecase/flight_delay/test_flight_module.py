"""Whatever a row is missing, what the model sees is finite, and an unseen category has a place of its own."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
import tensorflow_transform as tft

from artifacts.labels.soft_rows import Portion
from artifacts.schema.schema_file import read_schema
from components.transform_features.config import Config
from components.transform_features.logic import Inputs, transform
from tests.written_examples import write_examples
from training.rows import Recipe
from usecases.flight_delay import module

FOLDER = Path(module.__file__).parent
NAN, INF = float("nan"), float("inf")


def _sample() -> pa.Table:
    """The use case's sample rows, with the types of its schema."""
    types = {name: pa.string() for name in module.CATEGORIES} | {
        name: pa.int64() for name in ("late", "hour", "day_of_week")
    }
    read = pa_csv.read_csv(
        FOLDER / "sample.csv", convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    )
    return read.cast(pa.schema([(field.name, types.get(field.name, pa.float32())) for field in read.schema]))


def _replaced(table: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(
            index, name, pa.array((values * table.num_rows)[: table.num_rows], table.schema.field(name).type)
        )
    return table


TRAINING = {
    "plane_age": [None],  # missing in every row
    "humid": [50.0],  # the same in every row
    "wind_speed": [NAN, 5.0, INF, -INF, None, 7.0],
    "precip": [None, None, None, 0.1],
    "pressure": [1e30, 1000.0],
}
WIDTHS = {"numbers": len(module.NUMBERS), "missing": len(module.OPTIONAL_NUMBERS)}
REQUESTS = {
    "as trained": {},
    "unseen": {"carrier": ["??"], "origin": [""], "dest": ["ZZZ"], "hour": [99], "day_of_week": [-3]},
    "missing": {name: [None] for name in module.OPTIONAL_NUMBERS},
    "wild": {name: [NAN, INF, -INF, 3e38, -3e38] for name in (*module.OPTIONAL_NUMBERS, "distance")},
}


class Transformed(NamedTuple):
    graph: Path
    columns: dict[str, dict[str, npt.NDArray[Any]]]


@pytest.fixture(scope="module")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    folder = tmp_path_factory.mktemp("flights")
    sample = _sample()
    splits = {"train": _replaced(sample, **TRAINING)} | {
        name: _replaced(sample.slice(0, 20), **changes) for name, changes in REQUESTS.items()
    }
    examples = write_examples(folder / "examples", splits)
    schema = str(FOLDER / "schema.pbtxt")
    transform(Config(), Inputs(str(FOLDER / "module.py"), schema, examples), folder / "graph")
    output = tft.TFTransformOutput(str(folder / "graph"))
    recipe = Recipe(
        read_schema(schema), output.transform_features_layer(), module.LABEL, list(output.transformed_feature_spec())
    )
    return Transformed(folder / "graph", {name: next(recipe.columns(examples, Portion(name), 1000)) for name in splits})


@pytest.mark.parametrize("rows", ["train", *REQUESTS])
@pytest.mark.known_failure(34)
def test_every_output_is_finite_and_as_wide_as_it_says(transformed: Transformed, rows: str) -> None:
    for name, values in transformed.columns[rows].items():
        assert values.shape == (len(values), WIDTHS.get(name, 1)), name
        assert np.isfinite(values).all(), name
        assert name == "day_of_week" or np.abs(values[values != values.astype(int)]).max(initial=0) <= module.LIMIT, (
            name
        )


def test_an_unseen_category_and_a_missing_value_have_a_place_of_their_own(transformed: Transformed) -> None:
    output = tft.TFTransformOutput(str(transformed.graph))
    unseen, missing = transformed.columns["unseen"], transformed.columns["missing"]
    for name in module.CATEGORIES:
        assert set(unseen[name].flat) == {output.vocabulary_size_by_name(name)}, name
    assert set(unseen["hour"].flat) <= set(range(module.HOURS))
    assert set(unseen["day_of_week"].flat) <= set(range(module.WEEKDAYS))
    assert set(missing["missing"].flat) == {1.0}
    required = len(module.REQUIRED_NUMBERS)
    assert set(missing["numbers"][:, required:].flat) == {0.0}
    assert np.ptp(missing["numbers"][:, :required]) > 0, "what no row lacks is not taken for missing"
    for name in module.BUCKETED:
        assert set(missing[f"{name}_bucket"].flat) == {0}, name


def test_the_model_learns_few_rows_by_heart_and_stays_finite_on_wild_ones(transformed: Transformed) -> None:
    output = tft.TFTransformOutput(str(transformed.graph))
    model = module.build_model(output, {"train_steps": 200, "learning_rate": 0.02, "dropout": 0.0, "cross_l2": 0.0})
    rows = {name: values[:32] for name, values in transformed.columns["train"].items() if name != module.LABEL}
    label = np.arange(32).reshape(-1, 1) % 2
    before = model.evaluate(rows, label, batch_size=32, verbose=0, return_dict=True)["loss"]
    sixty_times = {name: np.tile(values, (60, 1)) for name, values in rows.items()}  # an epoch costs more than 60 steps
    model.fit(sixty_times, np.tile(label, (60, 1)), batch_size=32, shuffle=False, verbose=0)
    after = model.evaluate(rows, label, batch_size=32, verbose=0, return_dict=True)["loss"]
    assert after < before / 5
    for name, columns in transformed.columns.items():
        scores = model.predict({key: values for key, values in columns.items() if key != module.LABEL}, verbose=0)
        assert np.isfinite(scores).all(), name
        assert ((scores >= 0) & (scores <= 1)).all(), name
