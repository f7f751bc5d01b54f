"""Starts the kernel; for each line of standard input asks it for completions and an explanation, and prints both as JSON."""

import json
import sys

from jupyter_client.manager import KernelManager

CODE = "%%\nfmt.Printl"


def main():
    km = KernelManager(kernel_name="cpu")
    km.start_kernel(stderr=sys.stderr)
    client = km.client()
    client.start_channels()
    client.wait_for_ready(timeout=None)
    try:
        for _ in sys.stdin:
            matches = client.complete(CODE, reply=True, timeout=None)["content"]["matches"]
            told = client.inspect(CODE, len(CODE) - 2, reply=True, timeout=None)["content"]["data"]
            print(json.dumps({"matches": matches, "told": told.get("text/plain", "")}), flush=True)
    finally:
        km.shutdown_kernel()


main()
