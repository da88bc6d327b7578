"""The other sides of `tests.bench.intake`, each a process: ``python -m tests.bench.intake_side SIDE JSON``.

`plain` commits the taped statements from threads, `bare` serves them behind a Falcon handler that does nothing else,
`load` posts to a server over connections that stay open and prints what it saw as JSON.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import falcon.asgi
from gunicorn.app.base import BaseApplication

from tests.bench.tape import Player

Post = Callable[[int], Awaitable[int]]


def plain(given: dict[str, Any]) -> None:
    """How many times a number of threads plays the tape within some seconds."""
    counts = [0] * int(given["threads"])
    end = time.monotonic() + float(given["seconds"])

    def work(number: int) -> None:
        player = Player(url=given["url"], file=Path(given["tape"]))
        while time.monotonic() < end:
            player.play()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"count": sum(counts)}))


class Bare:
    """One handler: body in, the tape in a thread, body out."""

    def __init__(self, url: str, tape: Path, threads: int) -> None:
        self._own = threading.local()
        self._executor = ThreadPoolExecutor(threads)
        self._make = lambda: Player(url=url, file=tape)

    def _play(self) -> str:
        if not hasattr(self._own, "player"):
            self._own.player = self._make()
        return str(self._own.player.play())

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        body = await req.get_media()
        identity = await asyncio.get_running_loop().run_in_executor(self._executor, self._play)
        resp.status = falcon.HTTP_202
        resp.media = {**body, "id": identity}


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        super().__init__()

    def load_config(self) -> None:
        options = {"bind": f"127.0.0.1:{self._given['port']}", "worker_class": "asgi", "accesslog": None}
        for name, value in {**options, "control_socket_disable": True, "graceful_timeout": 2}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        app: Any = falcon.asgi.App()
        app.add_route(
            "/api/v1/jobs", Bare(self._given["url"], Path(self._given["tape"]), int(self._given["threads"]))
        )
        return app


def load(given: dict[str, Any]) -> None:
    """Post as fast as answers come (rate 0), or so many times a second whatever comes back."""
    print(json.dumps(asyncio.run(_load(given))))


async def _load(given: dict[str, Any]) -> dict[str, Any]:
    seen: list[float] = []
    wrong: list[int] = []
    numbers = iter(range(10**9))
    rate, begun = float(given["rate"]), time.monotonic()
    end = begun + float(given["seconds"])

    async def client() -> None:
        post = await _connection(given)
        while True:
            number = next(numbers)
            due = begun + number / rate if rate else time.monotonic()
            if due >= end:
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            since = due if rate else time.monotonic()  # who is late because others were slow has waited too
            status = await post(number)
            seen.append((time.monotonic() - since) * 1000)
            if status != 202:
                wrong.append(status)

    await asyncio.gather(*(client() for _ in range(int(given["connections"]))))
    return {"count": len(seen), "ms": sorted(seen), "errors": len(wrong), "seconds": time.monotonic() - begun}


async def _connection(given: dict[str, Any]) -> Post:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(given["port"]))

    async def post(number: int) -> int:
        branch = f"load-{given['name']}-{number}"
        body = json.dumps({"repository": given["repository"], "branch": branch, "target": "main"}).encode()
        head = (
            f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {given['token']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"content-length"]))
        return int(answer.split(b" ", 2)[1])

    return post


def main() -> None:
    side, given = sys.argv[1], json.loads(sys.argv[2])
    if side == "bare":
        sys.argv = sys.argv[:1]  # gunicorn would read them
        Server(given).run()
    else:
        {"plain": plain, "load": load}[side](given)


if __name__ == "__main__":
    main()
