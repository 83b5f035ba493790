"""Whether a folder can be written, asked before the work whose results go there."""

from __future__ import annotations

import os
from pathlib import Path

from ..hw.errors import UserError

__all__ = ["check_output_folder"]


def check_output_folder(folder: Path) -> None:
    """Change nothing; raise UserError if ``folder`` can neither be written nor made."""
    above = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not above.is_dir():
        reason = f"{above} is a file" if above.exists() else f"{above} is a broken link"
    elif not os.access(above, os.W_OK | os.X_OK):
        reason = f"nothing may be written to {above}"
    else:
        return
    raise UserError(f"The output folder {folder} cannot be written ({reason}): choose another with -o.")
