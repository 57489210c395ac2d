"""Verbs that make images: draw them, or bring them into a store."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from aliter.cli.console import Debug, out, set_debug
from aliter.core.errors import RequestError

_OUT = "A store if it ends in .zarr, else a folder; of phase a plate if it ends in .ome.zarr."


def simulate(
    kind: Annotated[str, typer.Argument(help="What to draw: fictus, fictus_volume, nuclei, phase or tissue.")],
    to: Annotated[Path, typer.Argument(metavar="OUT", help=_OUT)],
    count: Annotated[int | None, typer.Option(help="Cells of each class, fields or slides.")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels on a side.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all chance.")] = 0,
    factor: Annotated[list[str] | None, typer.Option(help="What classes differ in; may be given again.")] = None,
    depth: Annotated[int | None, typer.Option(help="Planes of a volume of nuclei.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw cells.")] = 1,
    among: Annotated[str | None, typer.Option(help="What is among the nuclei: texture or debris.")] = None,
    debug: Debug = False,
) -> None:
    """Draw images by rule, with their truth.

    Example: aliter simulate fictus cells.zarr --count 100 --factor aggregates --factor elongation
    """
    from aliter.data.fields import Fields
    from aliter.data.paired import write_plate
    from aliter.data.simulate import SIMULATIONS, Fictus, FictusVolume, Nuclei, Phase, Tissue
    from aliter.data.simulate.store import write_simulation, written_as_folder

    set_debug(debug)
    if kind not in SIMULATIONS:
        raise RequestError(f"expected one of {', '.join(SIMULATIONS)}; found '{kind}'")
    if to.exists():
        raise RequestError(f"{to}: expected a path where nothing is yet; name another, or remove it")
    asked = {"count": count, "size": size, "seed": seed, "factors": factor or None, "depth": depth, "among": among}
    simulation = SIMULATIONS[kind].parse({name: one for name, one in asked.items() if one is not None}, Path(kind))
    assert isinstance(simulation, Fictus | FictusVolume | Nuclei | Phase | Tissue)
    plate = isinstance(simulation, Phase) and to.name.endswith(".ome.zarr")
    store = to if to.suffix == ".zarr" and not plate else to.with_name(f".{to.name}.zarr")
    write_simulation(simulation, store, workers)
    if store != to:
        write_plate(Fields(store), to) if plate else written_as_folder(store, to)
        shutil.rmtree(store)
    out.print(f"{to}: {simulation.count} of each of {', '.join(simulation.classes)}", markup=False)


def convert(
    source: Annotated[Path, typer.Argument(help="A folder per class, a CSV file, .npz, .npy, or Zarr.")],
    to: Annotated[Path, typer.Argument(metavar="OUT", help="The store to be written.")],
    span: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="LOW HIGH", help="Intensities that networks see as -1 and 1."),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="What must stand in one split: 'folder', or a regular expression found in each path."),
    ] = None,
    axes: Annotated[str, typer.Option(help="Axes of files that name none, such as ZYX; N counts images.")] = "",
    z: Annotated[str, typer.Option(help="Of a stack: keep, middle, max, or a number from 0.")] = "keep",
    t: Annotated[int | None, typer.Option(help="Which time of a series, from 0.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the splits, where the source tells none.")] = 0,
    debug: Debug = False,
) -> None:
    """Bring images into one store, values as they are; all files that cannot be used are listed at once.

    A CSV file has the columns path and label and, where known, group and split; paths are relative to it. Folders
    train, val and test above the class folders are the split. Fields of a plate of OME-Zarr are grouped by well.

    Example: aliter convert plates.csv cells.zarr --range 0 4095
    """
    from aliter.data.convert import scan, write_store
    from aliter.data.planes import Planes

    set_debug(debug)
    if not (z.isdecimal() or z in ("keep", "middle", "max")):
        raise RequestError(f"expected --z to be keep, middle, max or a number from 0, found '{z}'")
    planes = Planes(axes, int(z) if z.isdecimal() else z, t)  # type: ignore[arg-type]
    found = scan(source, planes, groups)
    found.checked()
    if found.kind == "store":
        raise RequestError(f"{source}: expected images to convert, found a store already; name it in a config as it is")
    out.print(found.summary(), markup=False, highlight=False)
    out.print(f"wrote {write_store(found, to, span, seed)}", markup=False)
