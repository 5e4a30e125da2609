"""Search as a Serve application: `import_path: serve_apps.search:build_app`, see `search.yaml` beside this file."""

from cirray.service import build_app

__all__ = ["build_app"]
