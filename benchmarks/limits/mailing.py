"""The transport of an e-mail alone: the same pool of connections, the mail's bytes ready, no engine and no database.

Two processes at a time, as there are two workers: `python -m benchmarks.limits.mailing PORT COUNT HOW CONNECTIONS`
with HOW one of `pipelined` (our own end of the connection) and `aiosmtplib` (the stock client on kept connections).
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from itertools import count as counter

import aiosmtplib

from benchmarks import Sample
from benchmarks.servers import Listening
from notifier.channels.smtp_pool import SmtpDoor
from notifier.channels.smtp_wire import SmtpWire, Transaction, quoted_dots

SENDER = "pengingat@kantor.example"
#: Mails under way on one pipelined connection: one in its envelope, one waiting for its last reply.
DEPTH = 2


def ready_mail(size: int = 4_000) -> bytes:
    """A multipart mail of about so many bytes."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, "p@mail.example", "Your permit ends on 16 October 2026"
    line = "Your limited stay permit ends soon. Please apply for its extension before that day.\n"
    message.set_content(line * (size // 3 // len(line)))
    message.add_alternative(f"<p>{line}</p>" * (size // 2 // len(line)), subtype="html")
    return message.as_bytes().replace(b"\n", b"\r\n")


@contextmanager
def transport(
    port: int, how: str, *, connections: int, count: int = 20_000, processes: int = 2, size: int = 4_000
) -> Iterator[Sample]:
    """Each run sends `count` ready mails to this port from so many processes; the slowest process counts."""
    command = [sys.executable, "-m", "benchmarks.limits.mailing", str(port), str(count // processes), how]
    command += [str(connections), str(size)]

    def sample() -> Mapping[str, float]:
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        said = [process.communicate()[0] for process in running]
        if any(process.returncode for process in running):
            raise RuntimeError(f"the transport {how} has failed")
        spent = [line.split() for line in said]
        seconds, cpu = max(float(one[0]) for one in spent), sum(float(one[1]) for one in spent)
        return {"per_second": count / seconds, "messages": count, "cpu_us": cpu / count * 1e6}

    yield sample


async def _pipelined(target: Listening, count: int, connections: int, mail: bytes) -> None:
    door = SmtpDoor(
        host=target.host, port=target.port, security="none", username=None, password=None, timeout=30.0,
        local_hostname="localhost", tls_context=None,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    content, numbers = quoted_dots(mail), counter()

    async def carry(wire: SmtpWire) -> None:
        while (number := next(numbers)) < count:
            ended = loop.create_future()
            recipient = f"RCPT TO:<p{number}@mail.example>\r\n".encode()
            wire.deliver(Transaction(f"MAIL FROM:<{SENDER}>\r\n".encode(), recipient, content, ended))
            reply = (await ended).reply
            if reply is None or reply.code != 250:
                raise RuntimeError("a mail was not taken")

    wires = [await door.connect(loop.time() + 30) for _ in range(connections)]
    found = [wire for wire in wires if isinstance(wire, SmtpWire)]
    await asyncio.gather(*(carry(wire) for wire in found for _ in range(DEPTH)))
    await asyncio.gather(*(wire.quit() for wire in found))


async def _aiosmtplib(target: Listening, count: int, connections: int, mail: bytes) -> None:
    numbers = counter()

    async def carry() -> None:
        client = aiosmtplib.SMTP(hostname=target.host, port=target.port, start_tls=False, timeout=30)
        async with client:
            while (number := next(numbers)) < count:
                await client.sendmail(SENDER, [f"p{number}@mail.example"], mail)

    await asyncio.gather(*(carry() for _ in range(connections)))


def main() -> None:
    """Send, and print the seconds by the clock and of CPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits.mailing")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("how", choices=["pipelined", "aiosmtplib"])
    parser.add_argument("connections", type=int)
    parser.add_argument("size", type=int, nargs="?", default=4_000)
    told = parser.parse_args()
    mail, target = ready_mail(told.size), Listening(told.port, 0)
    how = _pipelined if told.how == "pipelined" else _aiosmtplib
    begun, cpu = time.perf_counter(), time.process_time()
    asyncio.run(how(target, told.count, told.connections, mail))
    print(time.perf_counter() - begun, time.process_time() - cpu)


if __name__ == "__main__":
    main()
