"""Where the world's clients find the hub of this process's tests. To be imported before any of them.

huggingface_hub, datasets and transformers read these variables once, when they are imported: so the port is chosen
before the server has one.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.postgres import free_port

HOME = Path(tempfile.mkdtemp(prefix="viveiro-clients-"))
PORT = free_port()
os.environ.update(
    HF_ENDPOINT=f"http://127.0.0.1:{PORT}",
    HF_HOME=str(HOME / "huggingface"),
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    TOKENIZERS_PARALLELISM="false",
)
for credential in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
    os.environ.pop(credential, None)
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
