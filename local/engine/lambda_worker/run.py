"""Turn this process into one Lambda execution environment that ends when the engine does."""

import os
import sys
import threading
import time
from pathlib import Path

PARENT_POLL_SECONDS = 0.5


def module_paths(platform: str, task_root: str, site_packages: str) -> list[str]:
    """Where a function's modules come from: its artefact first, as in AWS.

    `sam build` fetches Linux wheels everywhere, so on other systems the same locked versions
    installed in the virtual environment go first.
    """
    own = str(Path(__file__).parent)
    rest = [task_root, site_packages] if platform == "linux" else [site_packages, task_root]
    return [own, *rest]


def end_with_parent(parent_pid: int) -> None:
    """Exit once the engine is gone, however it went.

    Linux's parent-death signal is no use here: it fires when the *thread* that started this process
    ends, and the engine starts workers from short-lived threads. macOS has none.
    """
    while os.getppid() == parent_pid:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def complete_environment(environ: dict[str, str], version: tuple[int, int]) -> dict[str, str]:
    """The variables Lambda's managed Python runtimes set and the engine does not."""
    name = environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version[0]}.{version[1]}",
        "AWS_LAMBDA_LOG_GROUP_NAME": environ.get("AWS_LAMBDA_LOG_GROUP_NAME", f"/aws/lambda/{name}"),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "TZ": ":UTC",
    }


def main() -> None:
    """Serve invocations until the engine ends."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    sys.path[:0] = module_paths(
        sys.platform, os.environ["LAMBDA_TASK_ROOT"], os.environ["VEHICLEVISION_LAMBDA_SITE_PACKAGES"]
    )
    os.environ.update(complete_environment(dict(os.environ), sys.version_info[:2]))

    from awslambdaric.__main__ import main as serve_invocations  # noqa: PLC0415 - the path is set by now

    serve_invocations(["awslambdaric", os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
