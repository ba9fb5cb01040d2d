"""Virtual time: processes that wait without real time, and blocking code that sleeps without real time.

A process is a generator. It yields a number (sleep that many seconds), a `Process` or a `Signal` (wait for its end), or a
`Blocking` (run a function whose `Clock.sleep` advances virtual time; the result is sent back). Exactly one of them runs
at a time, so a rehearsal with the same seed is repeatable.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

Steps: TypeAlias = Generator[Any, Any, Any]

EPOCH = 1_800_000_000.0
"""Time of a rehearsal's clock at its start, in seconds since the Unix epoch."""


class FunctionStopped(BaseException):
    """Raised inside a function that is stopped: its time limit was reached, or the rehearsal ended."""


class Signal:
    """An event that happens once; `value` is its result."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[Callable[[], None]] = []
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def set(self, value: Any = None, error: BaseException | None = None) -> None:
        """Sets the signal."""
        self.done, self.value, self.error = True, value, error
        for resume in self._waiting:
            self._world.after(0.0, resume)
        self._waiting.clear()

    def on_done(self, resume: Callable[[], None]) -> None:
        """Calls `resume` when it is set."""
        if self.done:
            self._world.after(0.0, resume)
        else:
            self._waiting.append(resume)


class Process(Signal):
    """A running generator; waiting for it returns its return value or raises its error."""


@dataclass(frozen=True)
class Blocking:
    """A function to run in virtual time; it is stopped after `limit` seconds."""

    function: Callable[[], Any]
    limit: float = float("inf")


class Clock:
    """Time as the library's functions read it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        """Seconds since the epoch."""
        return EPOCH + self._world.now

    def monotonic(self) -> float:
        """Returns the same as `now`: virtual time never jumps."""
        return self.now()

    def sleep(self, seconds: float) -> None:
        """Advances virtual time; other processes run in the meantime."""
        if self._world.pace:
            time.sleep(min(max(0.0, seconds), self._world.pace))
        self._world.sleep(max(0.0, seconds))

    def jitter(self) -> float:
        """Returns the factor of each delay: always 1, so that a rehearsal is repeatable."""
        return 1.0

    def advance(self, seconds: float) -> None:
        """The same as `sleep`, for responses that take time."""
        self.sleep(seconds)


class World:
    """The event queue; `now` is in seconds since the start of the rehearsal."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pace = 0.0
        """Longest real time of a sleep, in seconds; 0 unless a server outside this process requires real time."""
        self.clock = Clock(self)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._running_worker: _Worker | None = None

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Runs `action` after a delay."""
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), action))

    def signal(self) -> Signal:
        """Returns a signal to wait for."""
        return Signal(self)

    def first(self, *signals: Signal) -> Signal:
        """Returns a signal that is set with the first of several."""
        either = Signal(self)
        for signal in signals:
            signal.on_done(lambda: None if either.done else either.set())
        return either

    def start(self, steps: Steps) -> Process:
        """Starts a process; its first step runs when the queue reaches it."""
        process = Process(self)
        self.after(0.0, lambda: self._step(process, steps, None, None))
        return process

    def run(self, until: Signal | None = None) -> None:
        """Runs the queued actions in order, until the queue is empty or a signal is set."""
        while self._queue and not (until is not None and until.done):
            self.now, _, action = heapq.heappop(self._queue)
            action()

    def sleep(self, seconds: float) -> None:
        """Sleeps in a `Blocking` function; raises `RuntimeError` elsewhere, which is a bug."""
        worker = self._running_worker
        if worker is None:
            raise RuntimeError("only a function that runs in virtual time can sleep")
        worker.pause(seconds)

    def _step(self, process: Process, steps: Steps, value: Any, error: BaseException | None) -> None:
        try:
            wanted = steps.throw(error) if error is not None else steps.send(value)
        except StopIteration as stop:
            process.set(stop.value)
            return
        except Exception as failure:  # noqa: BLE001 - raised again in the waiting process
            process.set(None, failure)
            return
        if isinstance(wanted, (int, float)):
            self.after(max(0.0, wanted), lambda: self._step(process, steps, None, None))
        elif isinstance(wanted, Signal):
            wanted.on_done(lambda: self._step(process, steps, wanted.value, wanted.error))
        elif isinstance(wanted, Blocking):
            done = Signal(self)
            done.on_done(lambda: self._step(process, steps, done.value, done.error))
            _worker().begin(self, wanted, done)
        else:
            raise TypeError(f"a process yielded {wanted!r}")


class _Worker(threading.Thread):
    """Runs one blocking function at a time; returns control to the scheduler whenever it sleeps."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="rehearsal")
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._world: World | None = None
        self._job: Blocking | None = None
        self._done: Signal | None = None
        self._limit = float("inf")
        self._free = False

    def begin(self, world: World, job: Blocking, done: Signal) -> None:
        """Runs a job until it ends or sleeps (called by the scheduler)."""
        self._world, self._job, self._done = world, job, done
        self._limit = world.now + job.limit
        self._free = False
        self._resume()

    def pause(self, seconds: float) -> None:
        """Sleeps (called inside the job)."""
        world = self._world
        assert world is not None
        cut = world.now + seconds > self._limit
        world.after(min(seconds, max(0.0, self._limit - world.now)), self._resume)
        self._back.release()
        self._go.acquire()
        if cut:
            raise FunctionStopped

    def _resume(self) -> None:
        world = self._world
        assert world is not None
        before, world._running_worker = world._running_worker, self
        self._go.release()
        self._back.acquire()
        world._running_worker = before
        if self._free:
            _IDLE.append(self)

    def run(self) -> None:
        """Runs jobs in sequence."""
        while True:
            self._go.acquire()
            job, done = self._job, self._done
            assert job is not None
            assert done is not None
            try:
                done.set(job.function())
            except FunctionStopped:
                done.set(None, TimeoutError("the function was stopped at its time limit"))
            except Exception as error:  # noqa: BLE001 - raised again in the caller
                done.set(None, error)
            self._free = True
            self._back.release()


_IDLE: list[_Worker] = []


def _worker() -> _Worker:
    if _IDLE:
        return _IDLE.pop()
    worker = _Worker()
    worker.start()
    return worker
