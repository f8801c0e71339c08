import os
import subprocess
import sys

import pytest

from viveiro.cli import _take_data_dir

HEAVY = ["torch", "transformers", "fastapi", "sklearn", "pyarrow", "sqlalchemy", "huggingface_hub", "babel"]


class TestHelp:
    def test_answers_without_importing_anything_heavy(self):
        program = f"""
import sys
from viveiro.__main__ import main
try:
    main(["--help"])
except SystemExit as ended:
    assert ended.code == 0
print([name for name in {HEAVY} if name in sys.modules])
"""
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "viveiro" in result.stdout
        assert result.stdout.splitlines()[-1] == "[]"


class TestDataDir:
    """--data-dir means the same wherever it stands."""

    @pytest.mark.parametrize(
        "line",
        [["--data-dir", "/d", "runs", "list"], ["runs", "list", "--data-dir", "/d"], ["runs", "--data-dir=/d", "list"]],
    )
    def test_is_taken_from_anywhere(self, line, monkeypatch):
        monkeypatch.setenv("VIVEIRO_DATA_DIR", "")
        assert _take_data_dir(line) == ["runs", "list"]
        assert os.environ["VIVEIRO_DATA_DIR"] == "/d"

    def test_means_that_folders_server_whatever_other_one_the_environment_names(self, monkeypatch):
        for name, value in {"DATA_DIR": "", "URL": "https://production.invalid", "TOKEN": "hf_secret"}.items():
            monkeypatch.setenv(f"VIVEIRO_{name}", value)
        _take_data_dir(["repos", "delete", "acai/x", "--data-dir", "sandbox"])
        assert [os.environ.get(f"VIVEIRO_{name}") for name in ("DATA_DIR", "URL", "TOKEN")] == ["sandbox", None, None]

    def test_is_text_after_two_dashes(self, monkeypatch):
        monkeypatch.setenv("VIVEIRO_DATA_DIR", "/before")
        assert _take_data_dir(["predict", "--", "--data-dir"]) == ["predict", "--", "--data-dir"]

    def test_without_a_folder_is_an_error(self):
        with pytest.raises(SystemExit):
            _take_data_dir(["runs", "--data-dir"])
