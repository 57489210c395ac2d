"""Images drawn by rule, with the truth planted."""

from typing import Annotated

from pydantic import Field

from aliter.data.simulate.fictus import Fictus
from aliter.data.simulate.nuclei import Nuclei
from aliter.data.simulate.phase import Phase
from aliter.data.simulate.tissue import Tissue
from aliter.data.simulate.volume import FictusVolume

Simulation = Annotated[Fictus | FictusVolume, Field(discriminator="simulate")]
"""What a config may draw instead of reading, where images have classes."""

SIMULATIONS: dict[str, type[Fictus] | type[FictusVolume] | type[Nuclei] | type[Phase] | type[Tissue]] = {
    "fictus": Fictus,
    "fictus_volume": FictusVolume,
    "nuclei": Nuclei,
    "phase": Phase,
    "tissue": Tissue,
}
"""The simulators by name, as the command line knows them."""

__all__ = ["SIMULATIONS", "Fictus", "FictusVolume", "Nuclei", "Phase", "Simulation", "Tissue"]
