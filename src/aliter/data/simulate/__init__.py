"""Images drawn by rule, with the truth planted."""

from aliter.data.simulate.fictus import Fictus

Simulation = Fictus
"""What a config may draw instead of reading: any one of the simulators."""

SIMULATIONS: dict[str, type[Simulation]] = {"fictus": Fictus}
"""The simulators by name, as the command line knows them."""

__all__ = ["SIMULATIONS", "Fictus", "Simulation"]
