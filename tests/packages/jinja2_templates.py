"""Templates with inheritance, macros, loops, filters, escaping, an async render, and errors with their lines."""
# packages: jinja2
# image: text
import asyncio

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment

PAGES = {
    "base": "<h1>{% block title %}none{% endblock %}</h1>{% block body %}{% endblock %}",
    "page": """{% extends "base" %}{% macro cell(x) %}<td>{{ x|round(2) }}</td>{% endmacro %}
{% block title %}{{ name|upper }}{% endblock %}
{% block body %}{% for row in rows if row.ok %}{{ loop.index }}:{{ cell(row.value) }}{% else %}empty{% endfor %}
{{ rows|map(attribute="value")|sum|int }}{% endblock %}""",
}


def work():
    plain = Environment(loader=DictLoader(PAGES), autoescape=True, undefined=StrictUndefined)
    rows = [{"ok": i % 2, "value": i / 3} for i in range(3000)]
    page = plain.get_template("page").render(name="<guest>", rows=rows)
    slow = Environment(loader=DictLoader(PAGES), enable_async=True)
    later = asyncio.run(slow.get_template("page").render_async(name="later", rows=rows[:3]))
    problems = []
    for source in ("{% if %}", "{{ missing }}", "{{ ''.__class__.__mro__ }}"):
        try:
            env = SandboxedEnvironment(undefined=StrictUndefined)
            problems.append(env.from_string(source).render())
        except (TemplateSyntaxError, UndefinedError, Exception) as error:
            problems.append((type(error).__name__, str(error)))
    return {"size": len(page), "head": page[:40], "tail": page[-40:], "later": later, "problems": problems}
