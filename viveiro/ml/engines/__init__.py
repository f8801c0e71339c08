"""How a model runs. Every engine answers as torch does, or says that it is quantised; torch is the reference."""

import pkgutil
from importlib import import_module

from viveiro.ml.engine import Caps, Engine, EngineUnfit, Item, Stats, engines

__all__ = ["Caps", "Engine", "EngineUnfit", "Item", "Stats", "engines"]

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
