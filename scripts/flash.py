"""The image of a build for its board's flash. `python -m macaw.scripts.flash --help`, or `macaw flash`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ..boards.flash_image import flash_image
from ..hw.errors import UserError
from .build_folder import load_build
from .console import CONSOLE, run_command

__all__ = ["main", "write_flash_image"]


def write_flash_image(folder: Path, output: Path) -> None:
    """`macaw flash`: writes the image at once or not at all, and prints the command that puts it into the flash."""
    build = load_build(folder)
    place = build.attachment.flash_place(build.board)
    if place is None:
        raise UserError(
            f"The engine of {folder} is not loaded from a flash: build it with `macaw build MODEL --board BOARD --weights flash`."
        )
    image = flash_image(build.compilation.config.identity, build.images).data
    temporary = output.with_name(f".{output.name}.partial")
    try:
        temporary.write_bytes(image)
        os.replace(temporary, output)
    except OSError as error:
        raise UserError(f"The image cannot be written to {output} ({error.strerror}): name a file in a folder that exists.") from error
    CONSOLE.print(
        f"{output}: {len(image):,} bytes for the flash of the {build.board.title}, at {place.address:#x}, behind the bitstream:"
    )
    CONSOLE.print(f"  {place.write} {output}", soft_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="flash", description="Image of a build for its board's flash.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args(argv)
    return run_command(lambda: write_flash_image(arguments.folder, arguments.output))


if __name__ == "__main__":
    raise SystemExit(main())
