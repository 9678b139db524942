"""What can go wrong with the local AWS, in words for the person at the keyboard.

LocalAwsError    one sentence and what to do about it; commands print both and no traceback
"""

from vehiclevision.refusal import Refusal


class LocalAwsError(Refusal):
    """The local AWS cannot do what was asked."""
