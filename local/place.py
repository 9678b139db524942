"""What every part of the local AWS agrees on: the checkout, the engine's version, the region."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
MINISTACK_VERSION = "1.5.33"
REGION = "us-east-1"
# The person's own settings a server process needs; everything else, credentials above all, stays out.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "VEHICLEVISION_WORKERS", "SSL_CERT_FILE")
