"""Alertmanager: a Go program that mails alerts; here each alert is a mail of its own, from a 4-kB template of ours."""

import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import Sample
from benchmarks.servers import Listening, free_port, program

CONFIG = """
global:
  smtp_smarthost: 127.0.0.1:{smtp}
  smtp_from: pengingat@kantor.example
  smtp_require_tls: false
templates: ['{folder}/mail.tmpl']
route:
  receiver: mail
  group_by: ['...']
  group_wait: 0s
  group_interval: 1h
  repeat_interval: 24h
receivers:
- name: mail
  email_configs:
  - to: '{{{{ .CommonLabels.email }}}}'
    html: '{{{{ template "notice.html" . }}}}'
    text: '{{{{ template "notice.text" . }}}}'
    headers: {{Subject: 'Your permit ends on {{{{ .CommonLabels.expiry }}}}'}}
"""
FIELDS = ("name", "document", "number", "expiry", "office")


def write_templates(folder: Path, text: str, html: str) -> None:
    """The peers' own texts, spelled for Go."""
    for name in FIELDS:
        text, html = (one.replace(f"{{{{ {name} }}}}", f"{{{{ .CommonLabels.{name} }}}}") for one in (text, html))
    parts = (f'{{{{ define "notice.{kind}" }}}}{body}{{{{ end }}}}' for kind, body in (("text", text), ("html", html)))
    (folder / "mail.tmpl").write_text("\n".join(parts), encoding="utf-8")


@contextmanager
def alertmanager(sink: Listening, count: int, texts: tuple[str, str]) -> Iterator[Sample]:
    """Each run posts `count` new alerts and waits until as many mails have been taken. Raises NotInstalled."""
    binary = program("prometheus-alertmanager", "prometheus-alertmanager")
    with tempfile.TemporaryDirectory(prefix="notifier-bench-am-") as told:
        folder = Path(told)
        write_templates(folder, *texts)
        (folder / "config.yml").write_text(CONFIG.format(smtp=sink.port, folder=folder), encoding="utf-8")
        port = free_port()
        process = subprocess.Popen(
            [binary, f"--config.file={folder / 'config.yml'}", f"--storage.path={folder}", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        posted = 0

        def sample() -> Mapping[str, float]:
            nonlocal posted
            alerts = [_alert(place) for place in range(posted, posted + count)]
            posted += count
            begun, before = time.perf_counter(), _mails(port)
            for start in range(0, count, 500):
                _post(port, alerts[start : start + 500])
            while _mails(port) - before < count:
                if time.perf_counter() - begun > 120:
                    raise RuntimeError("Alertmanager has not sent its mails after two minutes")
                time.sleep(0.02)
            return {"per_second": count / (time.perf_counter() - begun), "messages": count}

        try:
            _wait(port)
            yield sample
        finally:
            process.terminate()
            process.wait(30)


def _alert(place: int) -> dict[str, object]:
    labels = {"alertname": "notice", "name": f"PERSON {place:09d}", "number": f"D{place:09d}"}
    labels |= {"document": "Limited stay permit (ITAS)", "expiry": "16 October 2026", "office": "Kantor Imigrasi 017"}
    return {"labels": labels | {"email": f"p{place:09d}@mail.example"}}


def _post(port: int, alerts: list[dict[str, object]]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v2/alerts",
        data=json.dumps(alerts).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        answer.read()


def _mails(port: int) -> int:
    """How many e-mails Alertmanager has handed over. Raises RuntimeError when one failed.

    `alertmanager_notifications_total` counts a mail when it begins; the time it took is noted when it has ended.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()

    def sum_of(name: str) -> int:
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith(f"{name}{{") and '"email"' in line)

    if sum_of("alertmanager_notifications_failed_total"):
        raise RuntimeError("Alertmanager's mails failed")
    return sum_of("alertmanager_notification_latency_seconds_count")


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            _mails(port)
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
