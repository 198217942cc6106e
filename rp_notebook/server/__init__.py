"""Inside the Jupyter server: RunPod's endpoint for the handlers of its kernels."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What the Jupyter server asks an extension for."""
    from rp_notebook.server.extension import RunpodExtension  # Jupyter also looks here when it only lists extensions

    return [{"module": "rp_notebook.server", "app": RunpodExtension}]
