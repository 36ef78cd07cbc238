"""The signals that runner and stopper wait for."""

import signal

STOP_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
"""Each means: stop the run. SIGUSR1 is what `request_stop` sends, SIGUSR2 a cluster before the time limit."""
TIME_LIMIT = "the time limit is near"
AWAITED = (*STOP_SIGNALS, signal.SIGCHLD)


def prepare_signals() -> None:
    """Block what is waited for, so that nothing is missed; ignore the terminal's end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in AWAITED:  # an ignored signal that was inherited would never arrive
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)


def reason_of(number: int) -> str:
    """Return why a stop begins, by the signal that asks for it."""
    return TIME_LIMIT if number == signal.SIGUSR2 else f"the runner got {signal.Signals(number).name}"
