"""The metrics of the scheduled join: the function and the template's alarms use these names alike."""

from typing import Final

NAMESPACE: Final = "VehicleVision"

# How many are open; what is closed by the next run is counted until then.
RECONCILE_GAPS: Final = "ReconcileGaps"
# How long ago all was joined. It grows where the join does not come to an end.
RECONCILE_BEHIND_HOURS: Final = "ReconcileBehindHours"
