"""``python -m tuichaos``: the command line."""

from tuichaos.cli.main import main

if __name__ == "__main__":
    main()
