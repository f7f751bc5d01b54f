"""Sends cells as "Run all" does, all at once, and prints the status of each reply. A first cell that fails waits until the others are known to have come."""

import os
import sys
import time

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

folder = sys.argv[1]
later = "%%\nfmt.Println(\"later\")"


class Client:
    def __init__(self):
        self.km = KernelManager(kernel_name="cpu")
        self.km.start_kernel()
        self.kc = self.km.client()
        self.kc.start_channels()
        self.kc.wait_for_ready(timeout=None)
        self.files = 0

    def run_all(self, name, body, interrupt=None, **request):
        """interrupt is what to wait for before the interruption: a text that the cell prints, or seconds after the begin of its first line."""
        self.files += 1
        begun, gate = (os.path.join(folder, "%s-%d" % (n, self.files)) for n in ("begun", "gate"))
        wait = "!touch %s%s\n" % (begun, "" if interrupt is not None else "; while [ ! -e %s ]; do sleep 0.01; done" % gate)
        sent = [self.kc.execute(wait + body, **request), self.kc.execute(later), self.kc.execute(later)]
        self.kc.kernel_info(reply=True, timeout=None)  # answered at once, in the order of coming: the others are there
        while not os.path.exists(begun):
            time.sleep(0.01)
        if interrupt is None:
            open(gate, "w").close()
        else:
            if isinstance(interrupt, str):
                while True:
                    msg = self.kc.get_iopub_msg(timeout=None)
                    if msg["msg_type"] == "stream" and interrupt in msg["content"]["text"]:
                        break
            else:
                time.sleep(interrupt)
            self.km.interrupt_kernel()
        print(name + ":", *self.statuses(sent), flush=True)

    def statuses(self, sent):
        got = {}
        while len(got) < len(sent):
            msg = self.kc.get_shell_msg(timeout=None)
            if msg["parent_header"]["msg_id"] in sent:
                got[msg["parent_header"]["msg_id"]] = msg["content"]["status"]
        return [got[s] for s in sent]

    def later(self, name):
        print(name + ":", *self.statuses([self.kc.execute(later)]), flush=True)


def notebook(name, **settings):
    cells = ["%%\nfmt.Println(1)", "%%\nfmt.Println(2)\npanic(\"on purpose\")", "%%\nfmt.Println(3)"]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    failed = ""
    try:
        NotebookClient(nb, kernel_name="cpu", timeout=None, startup_timeout=600, **settings).execute()
    except CellExecutionError:
        failed = " and failed"
    ran = [o["text"].strip() for c in nb.cells for o in c.outputs if o["output_type"] == "stream" and o["name"] == "stdout"]
    print(name + ": ran " + ", ".join(ran) + failed, flush=True)


def main():
    hour = '%%\nfmt.Println("begun")\ntime.Sleep(time.Hour)'
    c = Client()
    c.run_all("panics", '%%\npanic("on purpose")')
    c.later("comes later")
    c.run_all("does not compile", "%%\nundefined()")
    c.run_all("exits with 3", "import \"os\"\n%%\nos.Exit(3)")
    c.run_all("stop_on_error false", '%%\npanic("on purpose")', stop_on_error=False)
    c.run_all("interrupted while it runs", hour, "begun")
    c.run_all("interrupted and ends by itself",
              'import "os/signal"\n%%\nstop := make(chan os.Signal, 1)\nsignal.Notify(stop, os.Interrupt)\nfmt.Println("begun")\n<-stop', "begun")
    c.run_all("interrupted at once", hour, 0)
    c.run_all("interrupted soon", hour, 0.2)
    c.run_all("interrupted later", hour, 0.5)
    c.later("comes after all")
    c.kc.stop_channels()
    c.km.shutdown_kernel()
    notebook("nbclient")
    notebook("nbclient, errors allowed", allow_errors=True)


main()
