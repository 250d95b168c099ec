"""The exceptions of the library: one small tree, so that `except CenterNetError` catches all of it."""


class CenterNetError(Exception):
    """Base of every error that this library raises on purpose."""


class ConfigError(CenterNetError, ValueError):
    """A model description (name, YAML, argument) that can't be understood."""


class CheckpointError(CenterNetError, ValueError):
    """Weights that can't be read, or that don't fit the model."""


class DownloadError(CenterNetError, OSError):
    """A file that could not be fetched, verified or stored."""


class WriteError(DownloadError):
    """A file that could not be written: a full disk, a read-only folder. `except DownloadError` catches it, too."""


class ArchiveError(CenterNetError, ValueError):
    """An archive that is damaged, too large, or would write outside its folder."""


class SourceError(CenterNetError, ValueError):
    """An image, video or folder that can't be read, or an array that is not an image.

    Attributes:
        source: Path, URL or number of the image in its list, as `Frame.name`; None if unknown.
    """

    source: str | None = None


class MissingExtraError(CenterNetError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


class TrainingError(CenterNetError, RuntimeError):
    """A training that can't continue: a loss that is NaN or infinite, or data without anything to learn."""
