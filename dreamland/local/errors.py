"""What can go wrong with the embedded servers, in words that say the way out."""


class LocalServerError(Exception):
    """An embedded server could not be had. The message says why and what to do."""


class WrongDataVersionError(LocalServerError):
    """The data directory was written by another major version of PostgreSQL."""


# Errors happen in the keeper and are raised in its clients; they travel by name.
BY_NAME = {error.__name__: error for error in (LocalServerError, WrongDataVersionError)}
