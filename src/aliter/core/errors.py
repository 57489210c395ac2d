"""Everything that can go wrong, and the exit code each becomes.

* AliterError (1): a defect of ours

  * RequestError (2): the request is wrong

    * ConfigError: a config cannot be read or names what is not there
    * RunError: a run is missing, in use, or lacks what was asked of it

  * DataError (3): the data is wrong

    * CheckpointError: no sound checkpoint is left

  * ResourceError (4): disk, memory or time ran out

    * DivergenceError: a loss or a weight is no longer finite

  * Interrupted (5): stopped from outside; the same command resumes
"""


class AliterError(Exception):
    """One plain sentence: what was expected, what was found, what to do."""

    code = 1


class RequestError(AliterError):
    """The request is wrong: config, arguments, a path that does not exist."""

    code = 2


class ConfigError(RequestError):
    """A config cannot be read or names what is not there."""


class RunError(RequestError):
    """A run is missing, in use, or lacks what was asked of it."""


class DataError(AliterError):
    """The data is unreadable or not as declared."""

    code = 3


class CheckpointError(DataError):
    """No sound checkpoint is left."""


class ResourceError(AliterError):
    """A resource ran out: disk, memory."""

    code = 4


class DivergenceError(ResourceError):
    """A loss or a weight is no longer finite."""


class Interrupted(AliterError):
    """Stopped from outside; everything finished is kept and the same command resumes."""

    code = 5
