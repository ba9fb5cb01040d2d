from __future__ import annotations

from rehearsal_platforms import platforms

__all__ = ["platforms"]
