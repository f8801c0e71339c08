"""`viveiro`, and `python -m viveiro`."""

from viveiro.cli import run

main = run

if __name__ == "__main__":
    main()
