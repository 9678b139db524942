"""The `vehiclevision` command: the local AWS, images in, outcomes out, on this machine or in a deployed stack."""
