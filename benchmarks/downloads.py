"""Downloads by several clients at once, from us and from nginx with sendfile: what benchmarks of the hub share."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import free_port

CLIENTS = 4


def rate(url: str, mebibytes: float) -> float:
    """MiB/s of all clients together, each reading the whole file as fast as it can."""
    began = time.perf_counter()
    clients = [subprocess.Popen(["curl", "-sSfL", "-o", os.devnull, url]) for _ in range(CLIENTS)]
    assert [client.wait() for client in clients] == [0] * CLIENTS
    return CLIENTS * mebibytes / (time.perf_counter() - began)


@contextmanager
def running_nginx(root: Path, folder: Path) -> Iterator[str]:
    """Its address, while it serves the files in `root`. It writes into `folder`."""
    program = shutil.which("nginx")
    if program is None:
        sys.exit("nginx is needed beside us: apt-get install -y nginx-light")
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 2; user root;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {folder}; proxy_temp_path {folder};
fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
server {{ listen 127.0.0.1:{port}; root {root}; }} }}"""
    )
    process = subprocess.Popen([program, "-c", configuration], stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
