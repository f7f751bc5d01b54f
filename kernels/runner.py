"""Runs one notebook without a browser, for `go run ./kernels exec` (exec.go), and writes it executed as .ipynb and .html.

Standard input is the control line: "interrupt" interrupts the running cell and ends the run after it; end of file kills the kernel.
Exit status: 0 all cells ran, 1 a cell failed, 3 the kernel did not start or died, 130 interrupted.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
import threading
import time

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary

# The page must work without a network: no require.js, MathJax, mermaid or widgets from elsewhere.
OFFLINE = """{%- extends 'lab/index.html.j2' -%}
{% block html_head_js_requirejs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}
{# On screens it follows the reader's dark mode, and on a phone nothing is out of sight without a sign: code wraps, and what scrolls fades out at its right. #}
<style media="screen and (prefers-color-scheme: dark)">{% include "static/theme-dark.css" %} :root { color-scheme: dark }</style>
<style>
body.jp-Notebook { background: var(--jp-layout-color0); color: var(--jp-content-font-color1) }
@media screen and (max-width: 640px) {
  body.jp-Notebook { padding: 8px; --jp-cell-padding: 2px }
  .jp-Cell .jp-InputPrompt, .jp-Cell .jp-OutputPrompt, .jp-Cell .jp-OutputArea-promptOverlay { display: none }
  .jp-Notebook pre { white-space: pre-wrap !important; overflow-wrap: anywhere }
  .jp-RenderedHTMLCommon, .jp-RenderedHTMLCommon p, .jp-RenderedHTMLCommon li { overflow-wrap: anywhere }
  .jp-OutputArea-child, .jp-OutputArea-output { display: block !important; width: auto !important; margin-left: 0 !important }
  .jp-OutputArea-output, .jp-RenderedHTMLCommon { max-width: 100%; min-width: 0 }
  .jp-RenderedMarkdown table { display: block; overflow-x: auto; width: fit-content; max-width: 100% }
  .jp-RenderedMarkdown table, .jp-OutputArea-output:has(> table), .jp-OutputArea-output div:has(> table) {
    padding-right: 28px !important; mask-image: linear-gradient(to right, #000 calc(100% - 28px), transparent);
  }
  .jp-Notebook th, .jp-Notebook td { overflow-wrap: normal; word-break: normal; min-width: 3em }
}
</style>
{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


class Screen:
    """Prints a cell's text as it comes. Where no one watches a terminal, of a line redrawn with \\r only the last state is printed,
    and its present state every 15 seconds, so that a log shows that something moves."""

    def __init__(self, out):
        self.out, self.live, self.pending, self.told = out, out.isatty(), "", time.monotonic()

    def write(self, text):
        if self.live:
            self.out.write(text)
            self.pending = text.rsplit("\n", 1)[-1] if "\n" in text else self.pending + text
        else:
            *whole, rest = (self.pending + text).split("\n")
            for line in whole:
                self.out.write(self._last(line) + "\n")
            self.pending = "\r".join(rest.split("\r")[-2:])
            state = self._last(rest).strip()
            if "\r" in rest and state and time.monotonic() - self.told > 15:  # a bar is blanked before it is drawn again
                self.out.write(state + "\n")
                self.told = time.monotonic()
        self.out.flush()

    def line(self, text=""):
        """Ends an unfinished line, then prints text as a line of its own."""
        if self.pending:
            self.out.write("\n" if self.live else self._last(self.pending) + "\n")
            self.pending = ""
        if text:
            self.out.write(text + "\n")
        self.out.flush()

    @staticmethod
    def _last(line):
        return line.rstrip("\r").rsplit("\r", 1)[-1]


def note(data):
    """What stands for a rich output in a terminal."""
    if "text/plain" in data:
        return data["text/plain"]
    html = data.get("text/html", "")
    for mark, name in (("data-clipkit-chart", "(chart)"), ("globalThis.echarts", "(chart script)"), ("<svg", "(chart)"), ("<table", "(table)"), ("<img", "(picture)")):
        if mark in html:
            return name
    return "(" + next(iter(sorted(data)), "empty output") + ")"


class Live(NotebookClient):
    """A NotebookClient that shows what happens while it happens."""

    screen = None
    running = None  # the code cell that runs or ran last
    number = 0  # its number among the code cells, from 1
    interrupted = False

    async def async_execute_cell(self, cell, cell_index, *args, **kwargs):
        if cell.cell_type != "code" or not cell.source.strip() or self.interrupted:
            return cell
        self.running, self.number = cell, self.number + 1
        self.screen.line("[%d/%d] %s" % (self.number, len(code_cells(self.nb)), headline(cell.source)))
        start = time.monotonic()
        try:
            return await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        finally:
            self.screen.line("      %.1f s" % (time.monotonic() - start))

    def process_message(self, msg, cell, cell_index):
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self.screen.write(content["text"])
        elif msg["msg_type"] in ("display_data", "execute_result"):
            self.screen.line(note(content["data"]))
        return super().process_message(msg, cell, cell_index)

    def where(self):
        """Where the run is, or ended."""
        return "before the first cell" if self.running is None else "in cell %d of %d" % (self.number, len(code_cells(self.nb)))

    async def interrupt(self):
        self.interrupted = True
        self.screen.line("interrupting the running cell; once more kills it")
        if self.km is not None and self.kc is not None:
            await self.km.interrupt_kernel()


def code_cells(nb):
    return [c for c in nb.cells if c.cell_type == "code" and c.source.strip()]


def headline(source):
    """The first line that is not one of GoNB's own (%noautoget, %%)."""
    lines = [line for line in source.split("\n") if line.strip()]
    return next((line for line in lines if not line.startswith("%")), lines[0])[:100]


def listen(loop, client, task):
    """Obeys the control line until it ends."""
    for line in sys.stdin:
        if line.strip() == "interrupt":
            asyncio.run_coroutine_threadsafe(client.interrupt(), loop)
    client.interrupted = True
    group = getattr(getattr(client.km, "provisioner", None), "pgid", None)
    if group:
        try:
            os.killpg(group, signal.SIGKILL)  # the kernel and the cell's own process
        except ProcessLookupError:
            pass
    loop.call_soon_threadsafe(task.cancel)


async def run(client, log):
    status = await cells(client, log)
    if status == 130:
        client.screen.line("stopped " + client.where())
    return status


async def cells(client, log):
    task = asyncio.ensure_future(client.async_execute(stdout=log, stderr=log))
    threading.Thread(target=listen, args=(asyncio.get_running_loop(), client, task), daemon=True).start()
    screen = client.screen
    try:
        await task
        return 130 if client.interrupted else 0
    except asyncio.CancelledError:
        return 130
    except CellExecutionError as err:
        if client.interrupted:
            return 130
        screen.line("cell %d of %d failed:" % (client.number, len(code_cells(client.nb))))
        for line in client.running.source.strip().split("\n")[:5]:
            screen.line("    | " + line)
        screen.line(error_text(client.running) or "%s: %s" % (err.ename, err.evalue))
        return 1
    except Exception as err:  # the kernel did not start, or died
        if client.interrupted:
            return 130
        screen.line("the kernel stopped %s: %s (out of memory? a signal?); the end of its log, %s:" % (client.where(), err, log.name))
        with open(log.name, errors="replace") as f:
            screen.line("".join(f.readlines()[-8:]).rstrip())
        return 3


def error_text(cell):
    for o in cell.outputs:
        if o.output_type == "error":
            trace = "\n".join(o.traceback)
            text = trace if o.evalue in trace else "%s: %s\n%s" % (o.ename, o.evalue, trace)
            return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).rstrip()
    return ""


def main():
    p = argparse.ArgumentParser()
    for name in ("notebook", "kernel", "ipynb", "html", "log"):
        p.add_argument(name)
    args = p.parse_args()
    nb = nbformat.read(args.notebook, as_version=4)
    where = os.path.dirname(os.path.abspath(args.notebook))
    client = Live(nb, kernel_name=args.kernel, timeout=None, startup_timeout=120, coalesce_streams=True, resources={"metadata": {"path": where}})
    client.log.setLevel("CRITICAL")  # what goes wrong is told once, by run
    client.screen = Screen(sys.stdout)
    with open(args.log, "w") as log:
        status = asyncio.run(run(client, log))
    NotebookNotary().sign(nb)  # so that its charts show when JupyterLab opens it
    nbformat.write(nb, args.ipynb)
    exporter = HTMLExporter(language_code="zh", template_file="offline.html.j2", extra_loaders=[DictLoader({"offline.html.j2": OFFLINE})])
    title = os.path.splitext(os.path.basename(args.notebook))[0]
    body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": title}})
    with open(args.html, "w", encoding="utf-8") as f:
        f.write(body)
    sys.stdout.flush()
    os._exit(status)  # the control thread still waits on standard input


if __name__ == "__main__":
    main()
