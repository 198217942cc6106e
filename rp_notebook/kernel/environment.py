"""The secrets among this process's environment variables, which no job in the history may hold."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rp_notebook.jobs.masking import secret_values


class EnvironmentSecrets:
    """Gives each secret with its variable; looks again after a cell ran, or when there are more variables."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._looked_at = -1
        self._found: dict[str, str] = {}

    def __call__(self) -> dict[str, str]:
        """The secrets by value. Decoding all variables takes longer than a short job, so it is not done for each."""
        if len(self._environment) != self._looked_at:
            self._found = secret_values(self._environment)
            self._looked_at = len(self._environment)
        return self._found

    def forget(self) -> None:
        """Looks again the next time."""
        self._looked_at = -1
