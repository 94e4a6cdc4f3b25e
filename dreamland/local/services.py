"""Programs that are kept running: started, looked after, restarted, ended, and never left behind."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from dreamland.local import files
from dreamland.local.errors import LocalServerError

LEASH = Path(__file__).with_name("leash.py")
UNDERTAKER = Path(__file__).with_name("undertaker.py")
POLL_SECONDS = 0.2
STOP_SECONDS = 15.0
ORPHAN_SECONDS = 5.0  # what services have to end in order when their supervisor has died
MAX_RESTARTS = 5  # in a row; then the supervisor gives up
FIRST_BACK_OFF_SECONDS = 0.5  # doubled with every restart in a row
HEALTHY_SECONDS = 60.0  # after which a death counts as the first again


def leashed(arguments: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """The command that runs `arguments` and sends it `death_signal` when the thread that started it ends."""
    return [sys.executable, "-I", "-S", str(LEASH), str(int(death_signal)), str(os.getpid()), *arguments]


@dataclass
class Service:
    """One program. `stop_signal` asks it to end in order, `death_signal` reaches it when its supervisor has died."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    directory: Path
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    restarts: int = field(default=0, init=False)
    started_at: float = field(default=0.0, init=False)
    restart_at: float | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the program in a process group of its own, its output going to the log."""
        with files.opened_log(self.log) as log:
            self.process = subprocess.Popen(  # noqa: S603  our own programs
                leashed(self.arguments, self.death_signal),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=dict(self.environment),
                start_new_session=True,
            )
        self.started_at = time.monotonic()
        self.restart_at = None

    def reap(self) -> int | None:
        """The exit status of a program that has died since we last looked. What it left in its group is killed."""
        if self.process is None or self.process.poll() is None:
            return None
        _kill_group(self.process.pid)
        status = self.process.returncode
        self.process = None
        return status

    def ask_to_stop(self) -> None:
        """Send the stop signal, and wait for nothing."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def finish(self, deadline: float) -> None:
        """Wait for the end until `deadline` (monotonic seconds), then kill the whole process group."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        _kill_group(self.process.pid)
        self.process.wait()
        self.process = None


def _kill_group(leader: int) -> None:
    """Kill what is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says "not permitted" of zombies
        os.killpg(leader, signal.SIGKILL)


class Supervisor:
    """Keeps services running until `stop`. What happens to them is told to `report`, one line or more at a time.

    One thread starts them all and looks after them: the kernel asks them to end when that thread ends, so when this
    process does, whatever ends it. For those that do not obey there is an undertaker, which notices the same.
    """

    def __init__(self, services: Sequence[Service], report: Callable[[str], None]) -> None:
        self.services = {service.name: service for service in services}
        self.report = report
        self.failure: str | None = None  # why it gave up
        self._requests: queue.Queue[tuple[Callable[[], None], Future[None]] | None] = queue.Queue()
        self._undertaker: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start every service, in parallel."""
        self._thread.start()

        def start_all() -> None:
            self._undertaker = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-I", "-S", str(UNDERTAKER), str(ORPHAN_SECONDS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
            for service in self.services.values():
                service.start()
                self._tell_undertaker()

        self._do(start_all)

    def stop(self) -> None:
        """End every service: its stop signal, a bounded wait, SIGKILL. May be called twice."""
        if self._thread.is_alive():
            self._requests.put(None)
            self._thread.join()

    def restart(self, name: str) -> None:
        """End the service in order and start it again."""

        def again() -> None:
            service = self.services[name]
            service.ask_to_stop()
            service.finish(time.monotonic() + STOP_SECONDS)
            service.restarts = 0
            service.start()
            self._tell_undertaker()

        self._do(again)

    def pids(self) -> dict[str, int]:
        """The process ids of the services that run."""
        running = [(name, service.process) for name, service in self.services.items()]
        return {name: process.pid for name, process in running if process is not None and process.poll() is None}

    def _do(self, action: Callable[[], None]) -> None:
        """Have the supervising thread do it, and wait for it."""
        if not self._thread.is_alive():
            raise LocalServerError("The supervisor has been stopped.")
        done: Future[None] = Future()
        self._requests.put((action, done))
        done.result()

    def _tell_undertaker(self) -> None:
        """Say which process groups run now."""
        if self._undertaker is not None and self._undertaker.stdin is not None:
            running = [str(service.process.pid) for service in self.services.values() if service.process is not None]
            with contextlib.suppress(BrokenPipeError):  # somebody has killed it: then there is only the kernel
                self._undertaker.stdin.write(f"{' '.join(running)}\n".encode())
                self._undertaker.stdin.flush()

    def _run(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=POLL_SECONDS)
            except queue.Empty:
                try:
                    self._look_after()
                except OSError as error:
                    self.failure = f"The services cannot be looked after: {error}"
                continue
            if request is None:
                break
            action, done = request
            try:
                action()
            except Exception as error:  # noqa: BLE001  it is told to the one who asked
                done.set_exception(error)
            else:
                done.set_result(None)
        for service in self.services.values():
            service.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for service in self.services.values():
            service.finish(deadline)
        self._tell_undertaker()
        if self._undertaker is not None:
            with contextlib.suppress(BrokenPipeError):
                self._undertaker.communicate()

    def _look_after(self) -> None:
        """Restart what has died, each time a little later, and give up when that does not help."""
        now = time.monotonic()
        for service in self.services.values():
            status = service.reap()
            if status is not None and self.failure is None:
                self._plan_restart(service, status, now)
            elif service.restart_at is not None and now >= service.restart_at:
                service.start()
        self._tell_undertaker()

    def _plan_restart(self, service: Service, status: int, now: float) -> None:
        if now - service.started_at > HEALTHY_SECONDS:
            service.restarts = 0
        said = f"The end of {service.log}:\n{files.tail(service.log)}"
        died = f"{service.name} has died (exit status {status})"
        if service.restarts >= MAX_RESTARTS:
            self.failure = f"{died} {service.restarts + 1} times in a row. {said}"
            self.report(self.failure)
            return
        pause = FIRST_BACK_OFF_SECONDS * 2**service.restarts
        service.restarts += 1
        service.restart_at = now + pause
        self.report(f"{died} and is started again in {pause:.1f} s. {said}")
