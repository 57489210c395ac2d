"""Images drawn by rule, with the truth planted."""

from aliter.data.simulate.fictus import Fictus
from aliter.data.simulate.nuclei import Nuclei

Simulation = Fictus
"""What a config may draw instead of reading, where images have classes."""

SIMULATIONS: dict[str, type[Fictus] | type[Nuclei]] = {"fictus": Fictus, "nuclei": Nuclei}
"""The simulators by name, as the command line knows them."""

__all__ = ["SIMULATIONS", "Fictus", "Nuclei", "Simulation"]
