"""One small class for each task: what differs between a classifier and an entity recogniser."""

from __future__ import annotations

from wenliu.errors import UserError
from wenliu.tasks.base import Prediction, Task
from wenliu.tasks.classification import SingleLabelClassification

_TASKS: dict[str, type[Task]] = {task.name: task for task in (SingleLabelClassification,)}


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        UserError: When there is none, naming those that exist.
    """
    if name not in _TASKS:
        raise UserError(
            f"There is no task {name!r}.",
            where="model.task",
            remedy=f"Choose one of: {', '.join(sorted(_TASKS))}.",
        )
    return _TASKS[name]()


__all__ = ["Prediction", "SingleLabelClassification", "Task", "get_task"]
