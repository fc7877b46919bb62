"""`python -m afterwards` is the command line."""

from afterwards.cli import main

if __name__ == "__main__":
    main()
