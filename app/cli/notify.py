"""`yoloqat notify --test`"""

import argparse

_EXIT_UNDELIVERED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--test", action="store_true", required=True, help="send a test message on every way that the settings name"
    )


def call(arguments: argparse.Namespace) -> int:
    """Send a test message; exit code 1 where it did not arrive on every way."""
    from app.cli.output import say
    from app.workspace.notifications import send_test
    from engine.files.terminal import current_terminal

    is_delivered = True
    for delivery in send_test(current_terminal()):
        if delivery.error:
            is_delivered = False
            say(f"{delivery.way}: failed: {delivery.error}")
        else:
            print(f"{delivery.way}: sent", flush=True)
    return 0 if is_delivered else _EXIT_UNDELIVERED
