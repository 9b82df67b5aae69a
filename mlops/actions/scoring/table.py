"""The 28 rows of the ML Test Score in the paper's order."""

from mlops.actions.scoring import data, infrastructure, model, monitoring
from mlops.actions.scoring.rows import Row, Section

ROWS = (
    Row(
        "D1",
        Section.DATA,
        "Feature expectations are captured in a schema",
        data.expectations,
        "mlops schema show {usecase}",
    ),
    Row("D2", Section.DATA, "All features are beneficial", data.benefits, "mlops score {usecase} --row D2"),
    Row("D3", Section.DATA, "No feature's cost is too much", data.costs, "mlops score {usecase} --row D3"),
    Row(
        "D4",
        Section.DATA,
        "Features adhere to meta-level requirements",
        data.meta_level,
        "mlops score {usecase} --row D4",
    ),
    Row(
        "D5",
        Section.DATA,
        "The data pipeline has appropriate privacy controls",
        data.privacy_controls,
        "mlops data scan {usecase}",
    ),
    Row("D6", Section.DATA, "New features can be added quickly", data.new_features, "mlops score {usecase} --row D6"),
    Row("D7", Section.DATA, "All input feature code is tested", data.tested_code, "mlops score {usecase} --row D7"),
    Row("M1", Section.MODEL, "Model specs are reviewed and submitted", model.reviewed, "mlops verify {usecase}"),
    Row(
        "M2",
        Section.MODEL,
        "Offline and online metrics correlate",
        model.correlated,
        "mlops score {usecase} --row M2",
        simulated=True,
    ),
    Row("M3", Section.MODEL, "All hyperparameters have been tuned", model.tuned, "mlops tune {usecase}"),
    Row(
        "M4", Section.MODEL, "The impact of model staleness is known", model.staleness, "mlops score {usecase} --row M4"
    ),
    Row("M5", Section.MODEL, "A simpler model is not better", model.beats_simple_models, "mlops card {usecase}"),
    Row(
        "M6",
        Section.MODEL,
        "Model quality is sufficient on important data slices",
        model.slices,
        "mlops card {usecase}",
    ),
    Row(
        "M7",
        Section.MODEL,
        "The model is tested for considerations of inclusion",
        model.inclusive,
        "mlops card {usecase}",
    ),
    Row(
        "I1",
        Section.INFRASTRUCTURE,
        "Training is reproducible",
        infrastructure.reproducible,
        "mlops score {usecase} --row I1",
    ),
    Row(
        "I2",
        Section.INFRASTRUCTURE,
        "Model specs are unit tested",
        infrastructure.specified,
        "mlops score {usecase} --row I2",
    ),
    Row(
        "I3",
        Section.INFRASTRUCTURE,
        "The ML pipeline is integration tested",
        infrastructure.integrated,
        "mlops run {usecase}",
    ),
    Row(
        "I4",
        Section.INFRASTRUCTURE,
        "Model quality is validated before serving",
        infrastructure.validated,
        "mlops score {usecase} --row I4",
    ),
    Row(
        "I5",
        Section.INFRASTRUCTURE,
        "The model is debuggable",
        infrastructure.debuggable,
        "mlops score {usecase} --row I5",
    ),
    Row(
        "I6",
        Section.INFRASTRUCTURE,
        "Models are canaried before serving",
        infrastructure.canaried,
        "mlops score {usecase} --row I6",
    ),
    Row(
        "I7",
        Section.INFRASTRUCTURE,
        "Serving models can be rolled back",
        infrastructure.rolled_back,
        "mlops models list {usecase}",
    ),
    Row(
        "Mon1",
        Section.MONITORING,
        "Dependency changes result in notification",
        monitoring.dependencies_watched,
        "mlops doctor",
    ),
    Row(
        "Mon2",
        Section.MONITORING,
        "Data invariants hold for inputs",
        monitoring.invariants,
        "mlops score {usecase} --row Mon2",
    ),
    Row(
        "Mon3",
        Section.MONITORING,
        "Training and serving are not skewed",
        monitoring.not_skewed,
        "mlops score {usecase} --row Mon3",
    ),
    Row("Mon4", Section.MONITORING, "Models are not too stale", monitoring.not_stale, "mlops monitor {usecase}"),
    Row(
        "Mon5",
        Section.MONITORING,
        "Models are numerically stable",
        monitoring.stable,
        "mlops score {usecase} --row Mon5",
    ),
    Row(
        "Mon6", Section.MONITORING, "Computing performance has not regressed", monitoring.not_slower, "mlops runs list"
    ),
    Row(
        "Mon7",
        Section.MONITORING,
        "Prediction quality has not regressed",
        monitoring.not_worse,
        "mlops monitor {usecase}",
        simulated=True,
    ),
)
