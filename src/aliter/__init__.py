"""See microscopy images otherwise, and know how far to believe it."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aliter.data.run import Run
    from aliter.workflows.counterfactual.explain import Explanation, explain
    from aliter.workflows.notebook import run

    open = Run

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # Else what no run's log takes is printed twice.

_PLACES = {
    "Explanation": "aliter.workflows.counterfactual.explain:Explanation",
    "Run": "aliter.data.run:Run",
    "explain": "aliter.workflows.counterfactual.explain:explain",
    "open": "aliter.data.run:Run",
    "run": "aliter.workflows.notebook:run",
}

__all__ = ["Explanation", "Run", "__version__", "explain", "open", "run"]


def __getattr__(name: str) -> Any:
    """Return the public ``name``, loaded now that it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"aliter has no '{name}'; it has {', '.join(_PLACES)}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
