"""What the servers beside the engine ask it, which holds the policies: whether a key may make a call of SageMaker's."""

import json
from typing import Any

from local.door import SIGNER, Application, Receive, Send, answer, read, refuse
from local.engine.patches import sagemaker
from local.sagemaker.engine import PATH


def answering(application: Application) -> Application:
    """The ASGI application that answers this question, and hands on everything else."""

    async def answer_or_hand_on(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await application(scope, receive, send)
        elif SIGNER in scope:
            await refuse(scope, send, "AccessDenied", "Only the servers of this local AWS ask this.")
        else:
            asked = json.loads(await read(receive))
            reason = sagemaker.refusal(asked["key"], asked["operation"], asked["request"])
            await answer(send, 200, json.dumps({"refusal": reason}), [(b"content-type", b"application/json")])

    return answer_or_hand_on
