"""Teaches papermill the parameters of clipkit's Go notebooks: `papermill -p steps 3` becomes the line `%env CLIPKIT_PARAM_STEPS=3` of a cell of its own, from
which the notebook's Param("steps", …) has its value. papermill imports this module as the home of an engine; the engine is papermill's own."""

import re

from papermill.engines import NBClientEngine as Engine  # noqa: F401: the entry point
from papermill.translators import Translator, papermill_translators


class GoTranslator(Translator):
    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        lines = []
        for name, value in parameters.items():
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise ValueError("parameter name %r: expected small letters, digits and _" % name)
            if isinstance(value, bool):
                value = "true" if value else "false"
            if value is None or isinstance(value, (list, dict)) or re.search("[\n\r]", str(value)):
                raise ValueError("parameter %s: expected a text of one line, a number, true or false, not %r" % (name, value))
            lines.append('%%env CLIPKIT_PARAM_%s="%s"\n' % (name.upper(), str(value).replace("\\", "\\\\").replace('"', '\\"')))
        return "".join(lines)


papermill_translators.register("go", GoTranslator)
