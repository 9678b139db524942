"""What every part of the local AWS agrees on: the checkout, the region, and who signs in."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
MINISTACK_VERSION = "1.5.33"
REGION = "us-east-1"
# The account's root user in the engine; visibly no credentials of anybody.
ACCESS_KEY_ID = "local"
SECRET_ACCESS_KEY = "local"  # noqa: S105
# The person's own settings a server process needs; everything else, credentials above all, stays out.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "VEHICLEVISION_WORKERS", "SSL_CERT_FILE")
