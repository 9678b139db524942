"""What can go wrong on the way from pictures to S3; each error says what is wrong and what would help.

DataError
├── DataRefusedError      the data is not what it should be
├── DataNotFetchedError   the archive could not be downloaded; what has come so far stays for the next try
└── DataNotLoadedError    S3 would not take it there
"""

from vehiclevision.refusal import Refusal


class DataError(Refusal):
    """The root."""


class DataRefusedError(DataError):
    """The training data is not what it should be."""


class DataNotFetchedError(DataError):
    """The archive could not be downloaded."""


class DataNotLoadedError(DataError):
    """S3 would not take the data at that place."""
