"""Where the images lie in a tree of folders, and what in it is out of place."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from aliter.core.errors import RequestError
from aliter.data.ngff import attributes, inside, is_zarr
from aliter.data.picture import Kind, Unusable
from aliter.data.reader import FORMATS

SPLIT_NAMES: Mapping[str, int] = {"train": 0, "val": 1, "validation": 1, "test": 2}
_MISPLACED: Kind = "not where an image belongs"


@dataclass(frozen=True)
class Finding:
    """Why one file or folder cannot serve."""

    path: str
    """Relative to the source."""
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Place:
    """Where an image was found."""

    label: str
    """Name of its class folder."""
    split: int | None
    """Index into ``SPLITS``, if a folder above the class folder tells."""
    below: str
    """Path relative to the folder that holds the class folders."""
    id: str
    """Path relative to the source."""
    group: str = ""
    """What it shares with others that must stand in the same split; empty if it stands alone."""


@dataclass
class Search:
    """What has been met on the way through the folders."""

    source: Path
    findings: list[Finding] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def note(self, path: Path | str, error: Unusable) -> None:
        """Add a finding."""
        name = path if isinstance(path, str) else path.relative_to(self.source).as_posix()
        self.findings.append(Finding(name, error.kind, str(error)))

    def inside(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the folders and the image files in ``folder``, each sorted by name."""
        folders: list[Path] = []
        files: list[Path] = []
        try:
            for path in sorted(folder.iterdir()):
                self._sort(path, folders, files)
        except OSError as error:
            self.note(folder, Unusable("cannot be read", error.strerror or str(error)))
        return folders, files

    def _sort(self, path: Path, folders: list[Path], files: list[Path]) -> None:
        ending = path.suffix.lower()
        if path.name.startswith("."):
            self.ignored["hidden"] += 1
        elif path.is_dir() and is_zarr(path) and "aliter" not in _facts(path):
            files.append(path)
        elif path.is_dir() and ending != ".zarr":
            folders.append(path)
        elif ending not in FORMATS:
            self.ignored[ending or "without ending"] += 1
        elif path.is_file():
            files.append(path)
        else:
            self.note(path, Unusable("cannot be read", "it leads to no file"))

    def members(self, path: Path, name: str) -> list[tuple[str, str]]:
        """Return where the images at ``path`` lie below it, and their groups: a file is one, a plate holds many.

        ``name`` is what the path is called; names of groups begin with it.
        """
        if not path.is_dir():
            return [("", "")]
        try:
            return [(one.path, one.group and joined(name, one.group)) for one in inside(path)]
        except Unusable as error:
            self.note(name, error)
            return []

    def below(self, folder: Path, above: Sequence[Path]) -> Iterator[Path]:
        """Yield all image files under ``folder``; no folder is entered twice, and none of those ``above`` again."""
        seen = {_identity(one) for one in above}
        waiting = [folder]
        while waiting:
            one = waiting.pop()
            if _identity(one) in seen:
                self.ignored["links to folders met before"] += 1
                continue
            seen.add(_identity(one))
            folders, files = self.inside(one)
            waiting.extend(folders)
            yield from files


def places(search: Search) -> list[Place]:
    """Return where the images are, sorted by class, then by path below the folder of the class folders, then by split.

    Folders train, val (or validation) and test, in any case, are splits if train is among the topmost folders or if
    there are no others. So test and control are two classes; beside train, control is a finding.
    """
    found: list[Place] = []
    empty: list[Path] = []
    for split, above, folder in _class_folders(search):
        files = list(search.below(folder, above))
        if not files:
            empty.append(folder)
        for path in files:
            below, name = (path.relative_to(one).as_posix() for one in (folder.parent, search.source))
            for inner, group in search.members(path, name):
                found.append(Place(folder.name, split, joined(below, inner), joined(name, inner), group))
    classes = {place.label for place in found}
    for folder in empty:
        if folder.name not in classes:
            search.note(folder, Unusable(_MISPLACED, "the folder holds no image of a known kind"))
    return sorted(found, key=lambda place: (place.label, place.below, place.split or 0))


def _class_folders(search: Search) -> Iterator[tuple[int | None, list[Path], Path]]:
    """Yield each class folder with its split and the folders above it."""
    top = _only_folders(search, search.source)
    named = [folder for folder in top if folder.name.casefold() in SPLIT_NAMES]
    if named != top and not any(folder.name.casefold() == "train" for folder in named):
        yield from ((None, [search.source], folder) for folder in top)
        return
    for folder in top:
        if folder not in named:
            reason = "it stands beside a folder train, so it is neither a split nor a class; move it"
            search.note(folder, Unusable(_MISPLACED, reason))
    for folder in named:
        split = SPLIT_NAMES[folder.name.casefold()]
        yield from ((split, [search.source, folder], inner) for inner in _only_folders(search, folder))


def _only_folders(search: Search, folder: Path) -> list[Path]:
    folders, strays = search.inside(folder)
    for stray in strays:
        search.note(stray, Unusable(_MISPLACED, "it lies outside the class folders; move it"))
    return folders


def grouped(search: Search, found: Sequence[Place], how: str | None) -> list[Place]:
    """Return the places with the groups that ``how`` tells: ``folder``, or a regular expression to find in the id.

    The group is what the first parentheses of the expression hold, else all that it finds. With ``folder`` it is the
    path of the folder that the image lies in.

    Raises
    ------
    RequestError
        If ``how`` is no regular expression, or the source tells groups itself.
    """
    if how is None:
        return list(found)
    if any(place.group for place in found):
        raise RequestError(f"expected images without groups for '{how}', found some with; leave --groups out")
    try:
        pattern = re.compile(how)
    except re.error as error:
        raise RequestError(f"expected 'folder' or a regular expression for groups, found '{how}' ({error})") from error
    named = []
    for place in found:
        match = pattern.search(place.id)
        group = PurePosixPath(place.id).parent.as_posix() if how == "folder" else match and match[bool(pattern.groups)]
        if not group:
            search.note(place.id, Unusable(_MISPLACED, f"'{how}' finds no group in its path"))
        named.append(replace(place, group=group or ""))
    return named


def joined(name: str, inner: str) -> str:
    """Return the path ``inner`` below ``name``."""
    return (PurePosixPath(name) / inner).as_posix()


def _facts(path: Path) -> dict[str, Any]:
    try:
        return attributes(path)
    except Unusable:
        return {}


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino
