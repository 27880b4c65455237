"""``python -m steelcli``."""

from steelcli.cli import main

if __name__ == "__main__":
    main()
