"""Runs one notebook without a browser, for `go run ./kernels exec` (exec.go), and writes it executed as .ipynb and .html.

Standard input is the control line: "interrupt" interrupts the running cell and ends the run after it; end of file kills the kernel.
Exit status: 0 all cells ran, 1 a cell failed, 3 the kernel did not start or died, 130 interrupted.
"""

import argparse
import asyncio
import base64
import os
import re
import shutil
import signal
import sys
import threading
import time
import traceback
import unicodedata

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary

# The page must work without a network: no require.js, MathJax, mermaid or widgets from elsewhere. The chart library is in it once; the charts' own
# script looks for it under this name.
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
{%- block html_head_css -%}
{{ super() }}
<style>
/* On paper nothing can be scrolled: what is too wide is wrapped, or made smaller. */
@page { margin: 12mm }
@media print {
  .jp-Notebook pre, .jp-Notebook code { white-space: pre-wrap !important; overflow-wrap: anywhere !important }
  .jp-Notebook .jp-InputArea-editor, .jp-Notebook .highlight, .jp-Notebook .jp-OutputArea-output { overflow: visible !important }
  .jp-OutputArea-output :is(img, svg, canvas, table, iframe) { max-width: 100% !important }
  .jp-OutputArea-output div { flex-wrap: wrap !important }
  .jp-OutputArea-output :is(th, td) { white-space: normal !important; overflow-wrap: anywhere !important; padding: 2px 4px !important; font-size: 9px }
  .jp-OutputArea-output tr, .jp-OutputArea-output img { break-inside: avoid }
}
</style>
{%- endblock -%}
{%- block html_head -%}
{{ super() }}
{% if resources.clipkit_library %}<script>globalThis.clipkitLibrary="{{ resources.clipkit_library }}"</script>{% endif %}
{%- endblock -%}
"""


class Screen:
    """Prints a cell's text as it comes. In a terminal a line that is redrawn with \\r is cut to the terminal's width: it would go on in the next row, and \\r
    does not come back from there. Where no one watches, of such a line only the last state is printed, and its present state every 15 seconds, so that a log
    shows that something moves."""

    def __init__(self, out):
        self.out, self.live = out, out.isatty()
        self.pending, self.told = {}, {}  # without a terminal: of each stream the line that is not whole, and when it began or its state was printed
        self.stream, self.redrawn, self.column = "", False, 0  # in a terminal: whose the unfinished line is
        self.ended = set()  # streams whose redrawn line was ended for another's text; they have still to end it themselves

    def write(self, text, stream="stdout"):
        if self.live:
            self._live(text, stream)
        else:
            *whole, rest = (self.pending.get(stream, "") + text).split("\n")
            if whole or not self.pending.get(stream):
                self.told[stream] = time.monotonic()  # a line begins
            for line in whole:
                self.out.write(self._last(line) + "\n")
            self.pending[stream] = "\r".join(rest.split("\r")[-2:])
            state = self._last(rest).strip()
            if "\r" in rest and state and time.monotonic() - self.told[stream] > 15:  # a bar is blanked before it is drawn again
                self.out.write(state + "\n")
                self.told[stream] = time.monotonic()
        self.out.flush()

    def _live(self, text, stream):
        if stream in self.ended and text:
            self.ended.discard(stream)
            text = text.removeprefix("\n")
        if text and stream != self.stream and self.redrawn and self.column:
            self.ended.add(self.stream)
            self._draw("\n")
        if text:
            self.stream = stream
        for piece in re.split("([\r\n])", text):
            self._draw(piece)

    def _draw(self, piece):
        if piece == "\n":
            self.redrawn, self.column = False, 0
        elif piece == "\r":
            self.redrawn, self.column = True, 0
        else:
            if self.redrawn:
                piece = crop(piece, self.width() - 1 - self.column)
            self.column += columns(piece)
        self.out.write(piece)

    def width(self):
        try:
            return os.get_terminal_size(self.out.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def line(self, text=""):
        """Ends an unfinished line, then prints text as a line of its own."""
        if self.live and self.column:
            self._draw("\n")
        for rest in filter(None, self.pending.values()):
            self.out.write(self._last(rest) + "\n")
        self.pending = {}
        if text:
            self.out.write(text + "\n")
        self.out.flush()

    @staticmethod
    def _last(line):
        return line.rstrip("\r").rsplit("\r", 1)[-1].rstrip(" ")


def columns(text):
    """How wide a text is in a terminal, where Chinese characters take two columns and colours none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain(text))


def crop(text, room):
    """The beginning of a text that fits; colours are cut off with the rest, so a cut text ends without any."""
    if columns(text.rstrip(" ")) <= room:
        return text if columns(text) <= room else text.rstrip(" ")
    text, n = plain(text), 0
    for at, c in enumerate(text):
        n += columns(c)
        if n > room - 1:
            return text[:at] + "…" if room > 0 else ""
    return text


def note(data):
    """What stands for a rich output in a terminal."""
    if "text/plain" in data:
        return data["text/plain"]
    html = data.get("text/html", "")
    for mark, name in (("data-clipkit-chart", "(chart)"), ("<svg", "(chart)"), ("<table", "(table)"), ("<img", "(picture)")):
        if mark in html:
            return name
    return "(" + next(iter(sorted(data)), "empty output") + ")"


class Live(NotebookClient):
    """A NotebookClient that shows what happens while it happens."""

    screen = None
    running = None  # the code cell that runs or ran last
    number = 0  # its number among the code cells, from 1
    interrupted = False
    places = {}  # what the running cell shows in each place that it may draw again
    figures = {}  # those of them that are printed after the cell

    async def async_execute_cell(self, cell, cell_index, *args, **kwargs):
        if cell.cell_type != "code" or not cell.source.strip() or self.interrupted:
            return cell
        self.running, self.number = cell, self.number + 1
        mark = "[%d/%d] " % (self.number, len(code_cells(self.nb)))
        room = self.screen.width() - 1 if self.screen.live else 100
        heading, count = headline(self.nb.cells, cell_index)
        self.screen.line(mark + crop(heading, room - len(mark) - len(count)) + count)
        start = time.monotonic()
        self.places, self.figures = {}, {}
        try:
            return await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        finally:
            for figure in self.figures.values():
                self.screen.line(figure)
            self.screen.line("      %.1f s" % (time.monotonic() - start))

    def process_message(self, msg, cell, cell_index):
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self.screen.write(content["text"], content["name"])
        elif msg["msg_type"] in ("display_data", "execute_result", "update_display_data"):
            self.show(content["data"], content.get("transient", {}).get("display_id"), msg["msg_type"] == "update_display_data")
        return super().process_message(msg, cell, cell_index)

    def show(self, data, place, again):
        """Prints a rich output. What may be replaced later has a place: a line of text, such as progress, is redrawn in it; of a figure only the last state
        is printed, after the cell."""
        text = note(data)
        if not place:
            self.screen.line(text)
        elif again and place not in self.places:
            pass  # another cell's
        elif "text/plain" in data and "\n" not in text:
            blanks = " " * max(0, columns(self.places.get(place, "")) - columns(text))
            self.screen.write("\r" + text + blanks, "display " + place)
            self.places[place] = text
            self.figures.pop(place, None)
        else:
            self.places[place] = self.figures[place] = text

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


def headline(cells, index):
    """The heading above a cell, with a number from the second cell under it on. Where there is none, the cell's first line that is not one of GoNB's own
    (%noautoget, %%)."""
    number = 1
    for cell in reversed(cells[:index]):
        if cell.cell_type == "code" and cell.source.strip():
            number += 1
        if cell.cell_type == "markdown" and (heading := last_heading(cell.source)):
            return heading, " (%d)" % number if number > 1 else ""
    lines = [line for line in cells[index].source.split("\n") if line.strip()]
    return next((line for line in lines if not line.startswith("%")), lines[0]), ""


def last_heading(markdown):
    heading, fenced = "", False
    for line in markdown.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        found = re.match(r" {0,3}#{1,6}\s+(.*?)\s*#*\s*$", line)
        if found and not fenced:
            heading = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", found.group(1))
    return heading


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
        text = error_text(client.running, screen.live) or "%s: %s" % (err.ename, err.evalue)
        if plain(text) != "exit status 1":  # the cell has said why, and "go run" says this once more
            screen.line(text)
        return 1
    except Exception as err:  # the kernel did not start, or died
        if client.interrupted:
            return 130
        screen.line("the kernel stopped %s: %s (out of memory? a signal?); the end of its log, %s:" % (client.where(), err, log.name))
        with open(log.name, errors="replace") as f:
            screen.line("".join(f.readlines()[-8:]).rstrip())
        return 3


def error_text(cell, coloured):
    for o in cell.outputs:
        if o.output_type == "error":
            trace = "\n".join(o.traceback)
            text = trace if o.evalue in plain(trace) else "%s: %s\n%s" % (o.ename, o.evalue, trace)
            return (text if coloured else plain(text)).rstrip()
    return ""


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def shows_charts(nb):
    return any("data-clipkit-chart" in o.get("data", {}).get("text/html", "") for c in code_cells(nb) for o in c.outputs)


def packed_library(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read()).decode("ascii")


def main():
    p = argparse.ArgumentParser()
    for name in ("notebook", "kernel", "ipynb", "html", "log", "library"):
        p.add_argument(name)
    args = p.parse_args()
    parent = os.getppid()
    try:
        status = run_notebook(args)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        if os.getppid() != parent:  # it was killed, and nobody takes the results
            shutil.rmtree(os.path.dirname(args.ipynb), ignore_errors=True)
    os._exit(status)  # the control thread still waits on standard input


def run_notebook(args):
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
    library = packed_library(args.library) if shows_charts(nb) else ""
    body, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": title}, "clipkit_library": library})
    with open(args.html, "w", encoding="utf-8") as f:
        f.write(body)
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    main()
