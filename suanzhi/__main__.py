"""Lets ``python -m suanzhi`` run the command."""

from suanzhi.cli import main

main()
