from pathlib import Path

import pytest

from viveiro.datasets.naming import name_of_file, name_of_path


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("tickets.csv", "tickets"),
        ("Chamados de manutenção (v2).CSV", "chamados-de-manutencao-v2"),
        ("../../etc/passwd", "passwd"),
        ("表.csv", "dataset"),
        ("x" * 300, "x" * 60),
        ("a--b..c.csv", "a-b"),
    ],
)
def test_a_name_looks_like_the_files(file_name: str, name: str) -> None:
    assert name_of_file(file_name) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/sms_spam/train.csv", "sms-spam-train"),
        ("/data/banking77/Train.parquet", "banking77-train"),
        ("/data/banking77", "banking77"),
        ("/data/sms_spam/messages.csv", "messages"),
        ("/train.csv", "train"),
    ],
)
def test_a_file_whose_name_tells_nothing_is_called_after_its_folder_too(path: str, name: str) -> None:
    assert name_of_path(Path(path)) == name
