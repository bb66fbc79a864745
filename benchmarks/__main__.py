"""``python -m benchmarks`` is ``tcoc``."""

from benchmarks.cli import main

if __name__ == "__main__":
    main()
