"""python -m optionwriter is the optionwriter command."""

from optionwriter.cli.main import main

if __name__ == "__main__":
    main()
