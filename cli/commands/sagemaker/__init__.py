"""Train, register, deploy, roll back and tear down a model with SageMaker.

The commands work on the local AWS of this machine, or on an account in AWS when --aws, --stack, --region or --profile
is given. In their order: train, register, approve, deploy.
"""

from typing import Final

COMMANDS: Final = dict.fromkeys(("train", "tune", "register", "approve", "deploy", "rollback", "describe", "teardown"))
