"""From a room's template to its page."""

from __future__ import annotations

from typing import Any

import jinja2


def render(template: str, *rooms: str, **values: Any) -> str:
    """Return the page that a template makes of `values`; what it is given stays text, whatever is in it.

    Args:
        template: name of its file.
        rooms: packages with a folder of templates, such as "cirray.prepare", that it is looked for in; after them
            comes this one's, which has the page that all pages extend.
        values: that it shows.
    """
    loaders = [jinja2.PackageLoader(room) for room in (*rooms, "cirray.pages")]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
