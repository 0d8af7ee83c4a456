"""``python -m retrieve``."""

from .cli import main

main()
