"""Memory of all server processes (no model loaded) while 4 clients upload 2 GB each, at the same time.

    python benchmarks/memory.py [--clients 4] [--megabytes 2000]

The claim: under 400 MB (10⁶ bytes), supervisor, web and worker together, each page counted once (PSS), with the real
`huggingface_hub` client.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.live.running_server import TWO_USERS, RunningServer
from tests.live.uploading import MiB, peak_while_uploading

TARGET_MB = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--megabytes", type=int, default=2000)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="viveiro-memory-") as folder,
        RunningServer(Path(folder) / "data") as server,
    ):
        server.seed(TWO_USERS)
        began = time.monotonic()
        watch = peak_while_uploading(server, Path(folder), clients=chosen.clients, bytes_each=chosen.megabytes * MiB)
        seconds = time.monotonic() - began
    for process, resident in watch.at_peak.items():
        print(f"{resident / 10**6:8.1f} MB  {process}")
    sent = chosen.clients * chosen.megabytes
    verdict = "met" if watch.peak_bytes < TARGET_MB * 10**6 else "MISSED"
    print(f"{watch.peak_bytes / 10**6:8.1f} MB  together at most (target: under {TARGET_MB}: {verdict})")
    print(f"{sent} MB from {chosen.clients} clients in {seconds:.0f} s: {sent / seconds:.0f} MB/s")
    sys.exit(verdict != "met")


if __name__ == "__main__":
    main()
