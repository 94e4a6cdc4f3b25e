"""PostgreSQL and Valkey for a machine that has neither: started on demand, gone when nobody uses them.

Importing this package does nothing. `attach()` is the whole interface; `supervisor.Stack` runs the rest of Dreamland.
"""

from dreamland.local.attachment import DEMO_ROOT, Servers, attach
from dreamland.local.errors import LocalServerError, WrongDataVersionError

__all__ = ["DEMO_ROOT", "LocalServerError", "Servers", "WrongDataVersionError", "attach"]
