"""`make migration MESSAGE=…`: write the next migration from the difference between the newest one and the tables."""

import re
import sys
import tempfile
from pathlib import Path

import viveiro.db.migrate
from viveiro.app import register_everything
from viveiro.db import Base, Database


def main(message: str) -> None:
    register_everything()
    versions = Path(viveiro.db.migrate.__file__).with_name("migrations") / "versions"
    numbers = [int(found[1]) for path in versions.glob("*.py") if (found := re.match(r"(\d{4})_", path.name))]
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.sqlite3")
        viveiro.db.migrate.upgrade(database)
        viveiro.db.migrate.write_migration(database, Base.metadata, message, f"{max(numbers, default=0) + 1:04}")
        database.close()


if __name__ == "__main__":
    main(sys.argv[1])
