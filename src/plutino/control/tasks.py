"""Background tasks: imports that go on after the request was answered, with progress, cancel, and a record that survives the process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from msgspec.structs import replace

from plutino.catalog import Catalog, TaskRecord
from plutino.control.progress import Progress
from plutino.control.report import ImportOutcome, ImportStatus, config_response, error_message, stored_status
from plutino.errors import CancellationError, ConflictError, DocumentError, Fault, PlutinoError

REGISTERED, RUNNING, FINISHED, FAILED, CANCELLED = "register", "running", "finish", "error", "cancel"
TERMINAL = frozenset({FINISHED, FAILED, CANCELLED})

Work = Callable[[Progress], Awaitable[str]]
"""What a task does; the result is its message. PlutinoError: it failed; CancellationError: it was cancelled, nothing has changed."""

_ENDED = "the server ended before anything was changed"
_LOOK_SECONDS = 0.1
"""How often those who watch a task look at its progress."""


class _Job:
    """A task at work."""

    def __init__(self) -> None:
        self.progress = Progress(self.tell, None)
        self.faults: Sequence[Fault] = ()
        self.done = asyncio.Event()
        self.changed = asyncio.Event()

    def tell(self) -> None:
        """Wake those who watch."""
        self.changed.set()
        self.changed = asyncio.Event()


class Tasks:
    """The tasks of a catalog. A task that has ended never changes again.

    What a task changed and that it did so are stored in one transaction: a process that dies leaves a task that is done or one that did
    nothing, and ``recover`` tells which.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._jobs: dict[str, _Job] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def recover(self) -> None:
        """Tell the truth about tasks of an earlier process. A task whose change was committed is done: start-up brings the engine there."""
        for record in list(self._catalog.tasks.values()):
            if record.status in TERMINAL:
                continue
            if record.revision is not None:
                await self._save(replace(record, status=FINISHED))
            else:
                await self._save(replace(record, status=FAILED, message=f"err:{_ENDED}, response:null"))
                await self._tell_aborted(record)

    async def _tell_aborted(self, record: TaskRecord) -> None:
        """The import status, unless it is of a later import."""
        known, revision = stored_status(self._catalog.import_status), self._catalog.revision
        if known is not None and known.at > record.created:
            return
        outcome = ImportOutcome.ABORTED
        text = ImportStatus(config_response(()), outcome, _ENDED, "", False, record.created, "", revision).as_text()
        await self._catalog.save_import_status(text)

    async def start(self, work: Work) -> str:
        """Begin a task and give its id."""
        now = self._catalog.now_ms()
        id = f"dataImport-{now // 1000}-{secrets.token_hex(4)}"
        record = TaskRecord(id, REGISTERED, "", now, now)
        await self._catalog.save_task(record)
        job = self._jobs[id] = _Job()
        job.progress.record = lambda status, message: self._record(id, status, message)
        task = asyncio.get_running_loop().create_task(self._run(id, job, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return id

    def ids(self) -> list[str]:
        """All known tasks, newest first."""
        return sorted(self._catalog.tasks, key=lambda id: (-self._catalog.tasks[id].created, id))

    def view(self, id: str, *, whole: bool = False) -> dict[str, Any]:
        """A task as the wire shows it, ``found`` of a dry run too; ``whole`` adds revision, progress and faults. PlutinoError for an
        unknown id."""
        record = self._known(id)
        shown: dict[str, Any] = {
            "id": record.id,
            "status": record.status,
            "message": record.message if record.status in TERMINAL else "",
            "createdTimestamp": record.created // 1000,
            "updatedTimestamp": record.updated // 1000,
        }
        job = self._jobs.get(id)
        if job is not None and job.progress.found is not None:
            shown["found"] = job.progress.found
        if whole:
            progress = job.progress.to_wire() if job is not None else None
            shown["revision"] = record.revision
            if progress is not None and record.status not in TERMINAL:
                shown["progress"] = progress
            if job is not None and job.faults:
                shown["faults"] = job.faults
        return shown

    async def cancel(self, id: str) -> None:
        """End a task and undo what it did; returns when that is done. ConflictError when it has ended already."""
        self._expect_unfinished(self._known(id))
        job = self._jobs.get(id)
        if job is not None:
            job.progress.cancel("cancelled")
            await job.done.wait()
        record = self._known(id)
        if record.status != CANCELLED:
            self._expect_unfinished(record)

    async def events(self, id: str) -> AsyncGenerator[dict[str, Any], None]:
        """The task as it is now, then each time it has moved on, until it has ended."""
        last: dict[str, Any] | None = None
        while True:
            job, shown = self._jobs.get(id), self.view(id, whole=True)
            changed = job.changed if job is not None else None
            if shown != last:
                yield shown
                last = shown
            if shown["status"] in TERMINAL or changed is None:
                return
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await changed.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Cancel what still runs, and wait until it is undone."""
        for job in self._jobs.values():
            job.progress.cancel("the server is stopping")
        if self._running:
            await asyncio.wait(set(self._running))

    async def _run(self, id: str, job: _Job, work: Work) -> None:
        status, message = FAILED, "err:internal error; the server's log says more, response:null"
        try:
            await self._catalog.save_task(self._record(id, RUNNING, ""))
            job.tell()
            message = await work(job.progress)
            status = FINISHED
        except CancellationError as error:
            status, message = CANCELLED, error.message
        except PlutinoError as error:
            message = error_message(error)
            job.faults = error.faults if isinstance(error, DocumentError) else ()
        finally:
            # Also after a defect, which the event loop reports: nobody may wait for a task for ever.
            try:
                await self._catalog.save_task(self._record(id, status, message))
            finally:
                job.done.set()
                job.tell()
                if not job.faults and job.progress.found is None:
                    del self._jobs[id]

    async def _save(self, record: TaskRecord) -> None:
        await self._catalog.save_task(replace(record, updated=self._catalog.now_ms()))

    def _record(self, id: str, status: str, message: str) -> TaskRecord:
        known = self._known(id)
        return replace(known, status=status, message=message, updated=self._catalog.now_ms())

    def _known(self, id: str) -> TaskRecord:
        record = self._catalog.tasks.get(id)
        if record is None:
            raise PlutinoError(f"async task: {id} not found")
        return record

    def _expect_unfinished(self, record: TaskRecord) -> None:
        if record.status in TERMINAL:
            text = f"async task: {record.id} has ended with {record.status} already; to undo what it did, roll back to an earlier revision"
            raise ConflictError(text, status=409)
