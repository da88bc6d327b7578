"""The REST API as typed Python calls: shapes of `flowforge.api.models` in and out, the house's errors raised.

Reads are tried again when the connection fails; what changes something is sent once, with an Idempotency-Key
where a repetition would make a second job.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx2
import stamina
from pydantic import BaseModel, ValidationError

from flowforge.api.budget_models import BudgetIn, BudgetList, BudgetOut, ReceiptOut, UsageOut
from flowforge.api.calibration_models import CalibrateIn, CalibrationOut
from flowforge.api.control_models import DecisionIn, QuestionOut
from flowforge.api.memory_models import ForgottenOut, KeptDetail, KeptList
from flowforge.api.models import (
    ConflictList,
    EventOut,
    JobDetail,
    JobIn,
    JobOut,
    JobPage,
    RepositoryIn,
    RepositoryList,
    RepositoryOut,
    RepositoryPatch,
    RetryIn,
    VersionOut,
)
from flowforge.api.queue_models import PauseIn, PauseList, PauseOut, QueueOut
from flowforge.api.schedule_models import (
    ScheduleDetail,
    ScheduleIn,
    ScheduleList,
    ScheduleOut,
    SchedulePatch,
)
from flowforge.api.stream_models import LogOut, LogPiece
from flowforge.cli.problems import refuse, unreachable
from flowforge.cli.server import Server
from flowforge.core.errors import Broken, Reason, Temporary

Shape = TypeVar("Shape", bound=BaseModel)
Parameters = Mapping[str, str | int | list[str]]

ATTEMPTS = 4
JITTER, LONGEST_PAUSE = 0.2, 1.0  # seconds
CONNECT, ANSWER = 5.0, 30.0  # seconds
REOPEN = 0.5  # seconds between two streams
NO_CONTENT = HTTPStatus.NO_CONTENT
SILENCE = 60.0  # seconds without even a heartbeat after which a stream is opened anew


class Client:
    """One server, one token. Close it, or use it as a context manager."""

    def __init__(
        self,
        server: Server,
        *,
        patience: float = 10.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience` is how long, in seconds, reads are tried again and streams opened anew."""
        headers = {"Accept": "application/json", "User-Agent": "flowforge-cli"}
        if server.token:
            headers["Authorization"] = f"Bearer {server.token}"
        stamina.instrumentation.set_on_retry_hooks(())  # its own hook writes to stdout, where data goes
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._url = server.url
        self._http = httpx2.Client(
            base_url=server.url,
            headers=headers,
            timeout=httpx2.Timeout(ANSWER, connect=CONNECT),
            follow_redirects=False,  # the token is for this server alone
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def version(self) -> VersionOut:
        return self._get("/version", VersionOut)

    def submit(self, job: JobIn, idempotency_key: str) -> JobOut:
        """Submit a job; the same key and body give the same job again."""
        return self._send("POST", "/api/v1/jobs", JobOut, job, {"Idempotency-Key": idempotency_key})

    def job(self, job: UUID, *, wait: int = 0) -> JobDetail:
        """One job; with `wait`, at its next change of state or after that many seconds."""
        return self._get(f"/api/v1/jobs/{job}", JobDetail, {"wait": wait} if wait else {}, wait=wait)

    def jobs(self, filters: Parameters, cursor: str | None = None) -> JobPage:
        return self._get("/api/v1/jobs", JobPage, {**filters, **({"cursor": cursor} if cursor else {})})

    def cancel(self, job: UUID) -> JobOut:
        return self._send("POST", f"/api/v1/jobs/{job}/cancel", JobOut)

    def retry(self, job: UUID, from_stage: str | None = None) -> JobOut:
        """A new job that runs `job` again, whole or from a stage."""
        return self._send("POST", f"/api/v1/jobs/{job}/retry", JobOut, RetryIn(from_stage=from_stage))

    def undo(self, job: UUID, ref: str = "") -> JobOut:
        """A new job that takes the push of `job` back."""
        query = f"?{urlencode({'ref': ref})}" if ref else ""
        return self._send("POST", f"/api/v1/jobs/{job}/undo{query}", JobOut)

    def question(self, job: UUID) -> QuestionOut:
        """What the job asks, or asked last."""
        return self._get(f"/api/v1/jobs/{job}/decision", QuestionOut)

    def decide(self, job: UUID, decision: DecisionIn) -> JobOut:
        return self._send("POST", f"/api/v1/jobs/{job}/decision", JobOut, decision)

    def log(self, job: UUID, offset: int = 0, limit: int = 1 << 16) -> LogOut:
        return self._get(f"/api/v1/jobs/{job}/logs", LogOut, {"offset": offset, "limit": limit})

    def conflicts(self, job: UUID) -> ConflictList:
        return self._get(f"/api/v1/jobs/{job}/conflicts", ConflictList)

    def events(self, job: UUID, after: int = 0) -> Iterator[EventOut]:
        """A job's events as they happen, each once and in order, until the job is final.

        A stream that breaks is opened anew behind the last event that was seen; the server says with an empty
        answer that nothing will follow.

        Raises:
            Temporary: the server stayed away for longer than the patience.
        """
        for data in self._follow(f"/api/v1/jobs/{job}/events", {}, str(after) if after else ""):
            yield _shaped(EventOut, data)

    def log_pieces(self, job: UUID, offset: int = 0) -> Iterator[LogPiece]:
        """A job's log from a byte on, as it is written, until the job is final; as lasting as `events`."""
        for data in self._follow(f"/api/v1/jobs/{job}/logs", {"offset": offset}):
            yield _shaped(LogPiece, data)

    def _follow(self, path: str, parameters: Parameters, seen: str = "") -> Iterator[str]:
        """The data of each message of a stream, over as many connections as it takes."""
        heard = self._clock()
        while True:
            try:
                with self._open_stream(path, parameters, seen) as source:
                    refuse(source.response)
                    heard = self._clock()
                    if source.response.status_code == NO_CONTENT:
                        return
                    for message in source:
                        seen, heard = message.id or seen, self._clock()
                        yield message.data
            except httpx2.SSEError as error:
                raise Broken(
                    Reason.SERVICE_UNAVAILABLE,
                    f"{self._url} answered with something else than a stream of events",
                    next_action="see whether a proxy in between can pass server-sent events",
                ) from error
            except Temporary:
                if self._clock() - heard > self._patience:
                    raise
            except httpx2.TransportError as error:
                if self._clock() - heard > self._patience:
                    raise unreachable(self._url, error) from error
            self._sleep(REOPEN)

    def repositories(self, name: str | None = None, cursor: str | None = None) -> RepositoryList:
        chosen = {"name": name, "cursor": cursor}
        return self._get("/api/v1/repositories", RepositoryList, {k: v for k, v in chosen.items() if v})

    def repository(self, repository: UUID) -> RepositoryOut:
        return self._get(f"/api/v1/repositories/{repository}", RepositoryOut)

    def add_repository(self, repository: RepositoryIn) -> RepositoryOut:
        return self._send("POST", "/api/v1/repositories", RepositoryOut, repository)

    def change_repository(self, repository: UUID, changes: RepositoryPatch) -> RepositoryOut:
        return self._send("PATCH", f"/api/v1/repositories/{repository}", RepositoryOut, changes)

    def remove_repository(self, repository: UUID) -> RepositoryOut:
        return self._send("DELETE", f"/api/v1/repositories/{repository}", RepositoryOut)

    def calibrate(self, repository: UUID, wish: CalibrateIn, idempotency_key: str) -> JobOut:
        """A job that counts the repository's history; the same key and body give the same job again."""
        path = f"/api/v1/repositories/{repository}/calibrate"
        return self._send("POST", path, JobOut, wish, {"Idempotency-Key": idempotency_key})

    def calibration(self, repository: UUID) -> CalibrationOut:
        """What the newest calibration of the repository has found."""
        return self._get(f"/api/v1/repositories/{repository}/calibrate", CalibrationOut)

    def calibration_page(self, repository: UUID) -> bytes:
        """The same as a page of HTML."""
        return self._fetched(f"/api/v1/repositories/{repository}/calibrate/page").content

    def schedules(self, filters: Parameters, cursor: str | None = None) -> ScheduleList:
        chosen = {**filters, **({"cursor": cursor} if cursor else {})}
        return self._get("/api/v1/schedules", ScheduleList, chosen)

    def schedule(self, schedule: UUID) -> ScheduleDetail:
        return self._get(f"/api/v1/schedules/{schedule}", ScheduleDetail)

    def add_schedule(self, schedule: ScheduleIn) -> ScheduleDetail:
        return self._send("POST", "/api/v1/schedules", ScheduleDetail, schedule)

    def change_schedule(self, schedule: UUID, changes: SchedulePatch) -> ScheduleDetail:
        return self._send("PATCH", f"/api/v1/schedules/{schedule}", ScheduleDetail, changes)

    def remove_schedule(self, schedule: UUID) -> ScheduleOut:
        return self._send("DELETE", f"/api/v1/schedules/{schedule}", ScheduleOut)

    def kept_answers(self, repository: UUID, filters: Parameters, cursor: str | None = None) -> KeptList:
        chosen = {**filters, **({"cursor": cursor} if cursor else {})}
        return self._get(f"/api/v1/repositories/{repository}/memory", KeptList, chosen)

    def kept_answer(self, repository: UUID, key: str) -> KeptDetail:
        return self._get(f"/api/v1/repositories/{repository}/memory/{quote(key, safe='')}", KeptDetail)

    def forget_answers(self, repository: UUID, filters: Mapping[str, str]) -> ForgottenOut:
        """Forget a bounded number of those that are chosen."""
        return self._send(
            "DELETE", f"/api/v1/repositories/{repository}/memory?{urlencode(filters)}", ForgottenOut
        )

    def forget_answer(self, repository: UUID, key: str) -> ForgottenOut:
        return self._send(
            "DELETE", f"/api/v1/repositories/{repository}/memory/{quote(key, safe='')}", ForgottenOut
        )

    def budgets(self) -> BudgetList:
        return self._get("/api/v1/budgets", BudgetList)

    def budget(self, which: str) -> BudgetOut:
        """`which` is how the address of a budget ends: `organization/monthly`, `users/EMAIL/daily`, ..."""
        return self._get(f"/api/v1/budgets/{which}", BudgetOut)

    def set_budget(self, which: str, wanted: BudgetIn) -> BudgetOut:
        return self._send("PUT", f"/api/v1/budgets/{which}", BudgetOut, wanted)

    def remove_budget(self, which: str) -> BudgetOut:
        return self._send("DELETE", f"/api/v1/budgets/{which}", BudgetOut)

    def usage(self, asked: Parameters) -> UsageOut:
        return self._get("/api/v1/usage", UsageOut, asked)

    def usage_table(self, asked: Parameters) -> str:
        """The same rows as CSV with a head."""
        return self._fetched("/api/v1/usage", asked, accept="text/csv").text

    def receipt(self, job: UUID) -> ReceiptOut:
        """The model calls of a job, and what each cost."""
        return self._get(f"/api/v1/jobs/{job}/cost", ReceiptOut)

    def queue(self, limit: int) -> QueueOut:
        return self._get("/api/v1/queue", QueueOut, {"limit": limit})

    def pauses(self) -> PauseList:
        return self._get("/api/v1/pauses", PauseList)

    def pause(self, pause: PauseIn) -> PauseOut:
        return self._send("POST", "/api/v1/pauses", PauseOut, pause)

    def resume(self, pause: UUID) -> PauseOut:
        return self._send("DELETE", f"/api/v1/pauses/{pause}", PauseOut)

    def _open_stream(
        self, path: str, parameters: Parameters, seen: str
    ) -> AbstractContextManager[httpx2.EventSource]:
        headers = {"Last-Event-ID": seen} if seen else {}
        timeout = httpx2.Timeout(SILENCE, connect=CONNECT)
        return self._http.sse(path, params=parameters, headers=headers, timeout=timeout)

    def _get(
        self,
        path: str,
        shape: type[Shape],
        parameters: Parameters | None = None,
        *,
        wait: int = 0,
        attempts: int | None = ATTEMPTS,
    ) -> Shape:
        return _shaped(shape, self._fetched(path, parameters, wait=wait, attempts=attempts).content)

    def _fetched(
        self,
        path: str,
        parameters: Parameters | None = None,
        *,
        wait: int = 0,
        attempts: int | None = ATTEMPTS,
        accept: str = "application/json",
    ) -> httpx2.Response:
        """`wait` is how long the server may take more than usual; no `attempts` means for all the patience."""
        timeout = httpx2.Timeout(ANSWER + wait, connect=CONNECT)
        try:
            for attempt in stamina.retry_context(
                on=httpx2.TransportError,
                attempts=attempts,
                timeout=self._patience,
                wait_jitter=JITTER,
                wait_max=LONGEST_PAUSE,
            ):
                with attempt:
                    response = self._http.get(
                        path, params=parameters, timeout=timeout, headers={"Accept": accept}
                    )
        except httpx2.TransportError as error:
            raise unreachable(self._url, error) from error
        refuse(response)
        return response

    def _send(
        self,
        method: str,
        path: str,
        shape: type[Shape],
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Shape:
        return _shaped(shape, self._request(method, path, body, headers).content)

    def _request(
        self, method: str, path: str, body: BaseModel | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        sent = body.model_dump_json(exclude_defaults=True).encode() if body else None
        kinds = {"Content-Type": "application/json"} if body else {}
        try:
            response = self._http.request(method, path, content=sent, headers={**kinds, **(headers or {})})
        except httpx2.TransportError as error:
            raise unreachable(self._url, error) from error
        refuse(response)
        return response


def _shaped(shape: type[Shape], data: bytes | str) -> Shape:
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        raise Broken(
            Reason.SERVICE_UNAVAILABLE,
            f"the server's answer is no {shape.__name__} that this version of flowforge reads",
            next_action="compare `flowforge --version` with the server's /version",
        ) from error
