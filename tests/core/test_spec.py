from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, Tag

from aliter.core.errors import ConfigError
from aliter.core.spec import Spec, path_or


class Tree(Spec):
    kind: Literal["tree"] = "tree"
    width: int = 3


class Bush(Spec):
    kind: Literal["bush"] = "bush"
    depth: int = 3


class Bed(Spec):
    bed: int
    width: int = 1


class Garden(Spec):
    plant: Annotated[Tree | Bush, Field(discriminator="kind")] = Tree()
    plants: tuple[Annotated[Tree | Bush, Field(discriminator="kind")], ...] = ()
    rate: float = 1e-3
    name: str = "NO"
    fence: bool = False


class Plot(Spec):
    ground: Annotated[
        Annotated[Path, Tag("path")]
        | Annotated[Bed, Tag("bed")]
        | Annotated[Tree | Bush, Field(discriminator="kind"), Tag("kind")],
        path_or("bed", "kind"),
    ]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "garden.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(spec: type[Spec], tmp_path: Path, text: str) -> str:
    """Return what is said of a config that cannot be read, after the name of its file."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        spec.read(path)
    assert caught.value.code == 2
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def test_words_and_numbers_mean_what_the_user_means(tmp_path: Path) -> None:
    found = Garden.read(written(tmp_path, "rate: 1e-3\nname: NO\nfence: true\n"))
    assert found == Garden(rate=0.001, name="NO", fence=True)


@pytest.mark.parametrize("name", ["NO", "1e-3", "~", "true", "0x1f", "a: b", "ä", "12", ".5", ""])
def test_what_is_written_reads_back_equal(tmp_path: Path, name: str) -> None:
    garden = Garden(plant=Bush(depth=5), plants=(Tree(), Bush()), rate=3e-7, name=name)
    path = tmp_path / "garden.yaml"
    garden.write(path)
    assert Garden.read(path) == garden


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("plant: {kind: tree, widht: 3}", ":1: plant.widht: unknown key; did you mean 'width'?"),
        ("plants:\n- {kind: tree}\n- kind: bush\n  dept: 4", ":4: plants.1.dept: unknown key; did you mean 'depth'?"),
        ("fence: true\nxyz: 3", ":2: xyz: unknown key; expected one of fence, name, plant, plants, rate"),
        ("rate: 1\nname: a\nrate: 2", ":3: rate: key given twice; keep one of them"),
        ("fence: true\nplant:\n  kind: tree\n  width: many", ":4: plant.width: Input should be a valid integer"),
        ("name: !!python/object:os.system x", ":1: not plain YAML: could not determine a constructor"),
        ("\tname: x", ":1: not plain YAML: found character"),
        ("- 1\n- 2", ": expected a mapping of keys to values"),
        ("plant: {kind: stone}", ":1: plant: Input tag 'stone' found using 'kind' does not match"),
    ],
)
def test_mistakes_name_file_line_key_and_remedy(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(Garden, tmp_path, text).startswith(sentence)


@pytest.mark.parametrize("ground", [Path("here"), Bed(bed=1), Bush(depth=2)])
def test_what_is_told_by_a_key_of_its_own_reads_back_equal(tmp_path: Path, ground: Path | Bed | Bush) -> None:
    Plot(ground=ground).write(tmp_path / "plot.yaml")
    assert Plot.read(tmp_path / "plot.yaml") == Plot(ground=ground)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ground: {bed: 1.5}", ":1: ground.bed: Input should be a valid integer"),
        ("ground: {bed: 1, widht: 2}", ":1: ground.widht: unknown key; did you mean 'width'?"),
        ("ground: {kind: bush,\n  depht: 2}", ":2: ground.depht: unknown key; did you mean 'depth'?"),
        ("ground: 5", ":1: ground: Input should be a valid dictionary"),
    ],
)
def test_mistakes_in_it_name_the_right_key(tmp_path: Path, text: str, sentence: str) -> None:
    assert refused(Plot, tmp_path, text).startswith(sentence)


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="aliases"):
        Garden.read(written(tmp_path, "\n".join(layers)))


def test_a_missing_file_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found none; check the path"):
        Garden.read(tmp_path / "nothing.yaml")
