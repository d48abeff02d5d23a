"""``python -m tuichaos``: the command line."""

from tuichaos.cli import main

if __name__ == "__main__":
    main()
