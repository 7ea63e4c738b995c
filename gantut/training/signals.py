"""Signals that ask a run to stop: the step under way is finished first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Wish(threading.Event):
    """An event that knows the number of the signal that set it, 0 before."""

    number = 0


@contextlib.contextmanager
def interrupts(*signals: int) -> Iterator[Wish]:
    """Turn the first Ctrl-C into an event; the second one interrupts as usual.

    Args:
        signals: which signals; Ctrl-C alone unless given. Outside the main thread, where Python
            takes no signals, nothing changes.
    """
    stop = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in signals or (signal.SIGINT,)}

    def handler(number: int, frame: FrameType | None) -> None:
        stop.number = number
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, handler)
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)
