"""The file that describes a distillation, for the report, the command line and cards."""

from typing import Literal

from artifacts.facts import Facts, FactsFile
from artifacts.model.footprint import Footprint

DISTILLATION = "distillation.json"
Passed = Literal["student", "scratch", "plain"]


class Learner(Facts):
    """One of the models that are compared."""

    name: Literal["teacher", "student", "scratch"]
    skills: tuple[float, ...]
    """On the held-out span, one for each seed; of the teacher one alone, that of all members together."""
    footprint: Footprint
    seconds: float
    """Of all its trainings before the last one."""

    @property
    def skill(self) -> float:
        """The mean over the seeds."""
        return sum(self.skills) / len(self.skills)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds; 0 for one."""
        if len(self.skills) < 2:
            return 0.0
        return float((sum((one - self.skill) ** 2 for one in self.skills) / (len(self.skills) - 1)) ** 0.5)


class Distillation(Facts, FactsFile):
    """A teacher, a student, and the student from scratch."""

    FILE = DISTILLATION
    WANTED = "a distillation"

    version: Literal[1] = 1
    skill: str
    """Name of the skill, such as AUC."""
    held_out_span: int
    trained_rows: int
    held_out_rows: int
    alpha: float
    temperature: float
    seeds: tuple[int, ...]
    confidence: float
    members: int
    """Models that teach together."""
    out_of_fold: bool
    """Whether training rows were taught by teachers that had not seen them."""
    teacher_on_training_rows: float
    """The teacher's skill on the rows that it was trained on; far above the validation rows' it is overfitted."""
    teacher_on_validation_rows: float
    gain: float
    """Of the student over scratch, the mean over the seeds."""
    gain_at_least: float
    gain_at_most: float
    passed: Passed
    """What went on."""
    learners: tuple[Learner, Learner, Learner]
    """Teacher, student, student from scratch."""

    def of(self, name: str) -> Learner:
        """Return one of the learners; KeyError for an unknown one."""
        return {one.name: one for one in self.learners}[name]  # type: ignore[index]  # an unknown name is the caller's
