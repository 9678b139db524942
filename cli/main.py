"""The `vehiclevision` command: the program, its exit codes, and words for whatever goes wrong."""
# ruff: noqa: PLC0415 - imports are late on purpose: `--help` must not wait for an SDK

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from cli import commands
from cli.errors import FAILURE, INTERRUPTED, SUCCESS, USAGE
from cli.program import program

DEBUG_VARIABLE: Final = "VEHICLEVISION_DEBUG"

app = program(
    commands,
    "vehiclevision",
    epilog="VEHICLEVISION_DIRECTORY names another folder for the state of the local AWS than .local in the checkout.",
    no_args_is_help=True,
)


def _version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"vehiclevision {version('vehiclevision')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong becomes a sentence."""
    try:
        code = app(args=list(arguments), prog_name="vehiclevision", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except Exception as error:  # the outermost handler: it ends the command, in words
        return _report(error)
    return code if isinstance(code, int) else SUCCESS


def _report(error: Exception) -> int:
    from typer.rich_utils import rich_format_error

    from cli.display import notes, printable
    from cli.explanations import explain

    if hasattr(error, "format_message"):
        rich_format_error(error)  # type: ignore[arg-type]
        return USAGE
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    console, explained = notes(), explain(error)
    if explained is None:
        console.print(
            f"Error: vehiclevision itself is at fault ({type(error).__name__}: {printable(str(error))[:200]})."
        )
        console.print(f"Run it again with {DEBUG_VARIABLE}=1 to see where, and report that.")
        return FAILURE
    console.print(f"Error: {printable(explained.message)}", style="bold red")
    if explained.hint:
        console.print(printable(explained.hint))
    return explained.exit_code


def run() -> None:
    """The entry point of the installed command."""
    # Asked to end in another way, a command cleans up just as it does on Ctrl-C; nohup's ignoring is left alone.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
