"""Read by the interpreter of a training job: what the job uses must come in its source, as in the container.

An editable installation of this project in the same environment would put it on the path unasked.
"""

import os
import sys

CHECKOUT = os.environ.get("VEHICLEVISION_LEFT_OUT", "")

sys.meta_path[:] = [
    finder for finder in sys.meta_path if not getattr(finder, "__module__", "").startswith("__editable__")
]
sys.path[:] = [
    entry for entry in sys.path if not CHECKOUT or os.path.realpath(entry) not in (CHECKOUT, f"{CHECKOUT}/functions")
]
