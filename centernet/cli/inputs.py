"""From the SOURCE arguments to images, and which of them go through the network together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from pathlib import Path

from centernet.errors import MissingExtraError, SourceError
from centernet.files.formatting import missing_file
from centernet.files.web import is_url
from centernet.images.sources import Frame, Source, open_source

Attempt = tuple[str, Frame | SourceError]


@dataclass(frozen=True)
class Group:
    """Images that may share a batch: one video, or everything between two videos.

    Attributes:
        sources: Where they come from.
        video: The only source, if it is a video or a camera.
    """

    sources: Sequence[Source]
    video: Source | None = None

    @property
    def is_camera(self) -> bool:
        """Whether it goes on until someone stops it."""
        return self.video is not None and self.video.name.startswith("camera ") and not Path(self.video.name).suffix

    def attempts(self) -> Iterator[Attempt]:
        """The name of each image, and the image or why it can't be read."""
        for source in self.sources:
            names = repeat(source.name) if self.video else map(os.fsdecode, source.items)
            yield from zip(names, source.attempts(), strict=False)


def open_inputs(texts: Sequence[str]) -> tuple[list[Source], list[tuple[str, Exception]]]:
    """Open every argument, and go on after one that can't be.

    Args:
        texts: Paths, addresses, patterns and camera numbers.

    Returns:
        What was opened, and each of the others with what is wrong with it.
    """
    opened: list[Source] = []
    failures: list[tuple[str, Exception]] = []
    for text in texts:
        try:
            source = open_source(text)
            path = Path(text).expanduser()
            # Told now, so that nobody waits for a model to hear of a misspelt name.
            if source.kind == "single" and not is_url(text) and not path.exists():
                raise SourceError(f"{text}: {missing_file(path)}")
            opened.append(source)
        except (SourceError, MissingExtraError) as error:
            failures.append((text, error))
    return opened, failures


def group_sources(sources: Sequence[Source]) -> list[Group]:
    """Put neighbors together, except videos.

    Args:
        sources: In the order of the arguments.

    Returns:
        The same in the same order.
    """
    groups = []
    for key, members in groupby(enumerate(sources), lambda pair: pair[0] if _is_video(pair[1]) else -1):
        found = [source for _, source in members]
        groups.append(Group(found, found[0] if key >= 0 else None))
    return groups


def input_files(sources: Sequence[Source]) -> set[Path]:
    """Every file that will be read, so that no result takes its place."""
    texts = [source.name if _is_video(source) else item for source in sources for item in _items(source)]
    return {Path(text).expanduser().resolve() for text in texts if not is_url(text)}


def count_images(sources: Sequence[Source]) -> int | None:
    """How many images there are, or None where a source doesn't say."""
    totals = [source.total for source in sources]
    return None if None in totals else sum(total or 0 for total in totals)


def _is_video(source: Source) -> bool:
    from centernet.images.video import Video

    return isinstance(source.items, Video)


def _items(source: Source) -> Iterable[str]:
    return [source.name] if _is_video(source) else map(os.fsdecode, source.items)
