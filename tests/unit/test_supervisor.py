import os
import stat

import pytest

from viveiro.supervisor import FolderUnusable, make_own


class TestFolderOfSockets:
    """Whoever could write there would give orders to the supervisor, and read what models are asked."""

    @pytest.mark.parametrize("mode", [0o700, 0o777])
    def test_is_private_whoever_made_it_so(self, tmp_path, mode):
        (tmp_path / "sockets").mkdir()
        (tmp_path / "sockets").chmod(mode)
        make_own(tmp_path / "sockets")
        assert stat.S_IMODE((tmp_path / "sockets").stat().st_mode) == 0o700

    def test_is_no_link_that_somebody_laid_there(self, tmp_path):
        (tmp_path / "theirs").mkdir(mode=0o777)
        (tmp_path / "sockets").symlink_to(tmp_path / "theirs")
        with pytest.raises(FolderUnusable, match="a link"):
            make_own(tmp_path / "sockets")

    def test_is_no_other_users(self, tmp_path, monkeypatch):
        (tmp_path / "sockets").mkdir()
        us = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: us + 1)
        with pytest.raises(FolderUnusable, match="another user's"):
            make_own(tmp_path / "sockets")
