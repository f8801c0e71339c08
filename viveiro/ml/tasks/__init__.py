"""Every task, by its pipeline tag. Adding one to the platform is adding one file to this folder."""

import pkgutil
from importlib import import_module

from viveiro.ml.task import Column, Comparison, Estimate, Table, Task, TrainableTask, Trained, Workplace, tasks

__all__ = ["Column", "Comparison", "Estimate", "Table", "Task", "TrainableTask", "Trained", "Workplace", "tasks"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
