"""Times what a person waits for, and prints it as JSON: the kernel's start, the quickstart's imports in a first cell, warm cells, and of a cell that trains the time from its
program's first line of text to the first state of its progress."""

import json
import os
import sys
import time

from jupyter_client.manager import KernelManager

IMPORTS = '%noautoget\nimport (\n\t"context"\n\t"fmt"\n\n\t"clipnb/clipkit"\n\t"clipnb/clipkit/chart"\n\t"clipnb/clipkit/report"\n)\n\nvar ctx = context.Background()'
# Uses each import, so that none of them is left out.
WARM = '%%%%\nfmt.Println(%d)\nif ctx.Err() != nil {\n\tclipkit.Show(chart.Grid("", clipkit.Must(report.Sample(nil, 1))))\n}'
TRAIN = """%%%%
fmt.Println("begins")
data, model := clipkit.Must(clipkit.OpenDataset(ctx, "emoji")), clipkit.Must(clipkit.Load(ctx, "emoji"))
cfg := clipkit.Must(clipkit.Recipe("emoji/finetune")).Config
cfg.Name, cfg.MaxSteps, cfg.BatchSize = %s, 1, 8
clipkit.Must(clipkit.Finetune(ctx, model, data, cfg))"""


def main():
    start = time.monotonic()
    km = KernelManager(kernel_name="cpu")
    km.start_kernel(stderr=sys.stderr)
    client = km.client()
    client.start_channels()
    client.wait_for_ready(timeout=None)
    figures = {"start-s": time.monotonic() - start}
    try:
        cell(client, IMPORTS)
        figures["first-cell-s"] = cell(client, WARM % -1)[0]
        cpu = processor(km.provisioner.pid)
        warm = [cell(client, WARM % i)[0] for i in range(5)]
        figures["warm-cell-s"] = sorted(warm)[2]
        figures["warm-cell-cpu-s"] = (processor(km.provisioner.pid) - cpu) / len(warm)
        seen = cell(client, TRAIN % json.dumps(sys.argv[1]))[1]
        begins = next(at for at, m in seen if "begins" in m["content"].get("text", ""))
        figures["first-bar-s"] = next(at for at, m in seen if at >= begins and "begins" not in m["content"].get("text", "")) - begins
    finally:
        km.shutdown_kernel()
    print(json.dumps(figures))


def cell(client, code):
    """Runs a cell: how long it took, and when which output came."""
    start, seen = time.monotonic(), []
    reply = client.execute_interactive(code, timeout=None, output_hook=lambda m: seen.append((time.monotonic(), m)) if m["msg_type"] != "execute_input" and m["msg_type"] != "status" else None)
    if reply["content"]["status"] != "ok":
        raise SystemExit("%s\n%s" % (code, reply["content"]))
    return time.monotonic() - start, seen


def processor(pid):
    """Seconds of processor time of the kernel and of what it ran."""
    with open("/proc/%d/stat" % pid) as f:
        times = f.read().rsplit(")", 1)[1].split()[11:15]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


main()
