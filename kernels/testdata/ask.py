"""Starts the kernel, asks it (with a second argument "true" also what gopls answers), and prints the answers; then its process id and those of its children, and waits to be killed."""

import glob
import json
import sys
import time

from jupyter_client.manager import KernelManager

CELL = 'func myHelper(n int) int { return n }'
CODE = "%%\nmyHelper(1)\nstrings.ToUp"


def main():
    km = KernelManager(kernel_name="cpu")
    with open(sys.argv[1], "w") as log:
        km.start_kernel(stderr=log)
    client = km.client()
    client.start_channels()
    client.wait_for_ready(timeout=None)
    say("language", client.kernel_info(reply=True, timeout=None)["content"]["language_info"])
    client.control_channel.send(client.session.msg("kernel_info_request"))
    say("control", client.get_control_msg(timeout=None)["msg_type"])
    client.execute_interactive('import "strings"\n\n' + CELL, timeout=None)

    running = client.execute("%%\nfmt.Println(\"begun\")\ntime.Sleep(time.Hour)")
    seen(client, lambda m: m["msg_type"] == "stream")
    asked = client.kernel_info()
    states = []

    def told(m):
        if m["msg_type"] == "status":
            states.append((m["content"]["execution_state"], "info" if m["parent_header"]["msg_id"] == asked else "cell" if m["parent_header"]["msg_id"] == running else "?"))
        return states[-1:] == [("busy", "cell")]

    seen(client, told)
    say("states", states)
    asked = client.kernel_info()
    seen(client, told)  # the answer is on its way, and all that belongs to it was published
    late = km.client()
    late.start_channels(shell=False, stdin=False, hb=False, control=False)
    seen(late, lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "busy" and m["parent_header"]["msg_id"] == running)
    say("late", "busy")
    late.iopub_channel.stop()
    say("meanwhile", [client.complete(CODE, reply=True, timeout=None)["content"]["matches"], client.inspect(CODE, 5, reply=True, timeout=None)["content"]["data"]["text/plain"]])
    client.control_channel.send(client.session.msg("interrupt_request"))
    seen(client, lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle" and m["parent_header"]["msg_id"] == running)

    if sys.argv[2] == "true":
        ask_gopls(client)
    pid = km.provisioner.pid
    children = []
    for path in glob.glob("/proc/%d/task/*/children" % pid):  # each of the kernel's threads has its own
        with open(path) as f:
            children += [int(p) for p in f.read().split()]
    say("processes", [pid] + children)
    time.sleep(3600)


def ask_gopls(client):
    say("complete", complete(client, CODE))
    say("own", complete(client, "%%\nmyHel"))
    say("inspect", inspect(client, CODE, CODE.index("Helper")))
    typing = "%%\nmyHelper(1)\nmyHelper("
    say("open bracket", inspect(client, typing, len(typing)))
    say("no name", inspect(client, "%%\n1 + 1\n", 3))


READING = "completion and inspection: gopls is still reading"  # the packages first, and again on a busy machine


def complete(client, code):
    while True:
        matches = client.complete(code, reply=True, timeout=None)["content"]["matches"]
        if not matches or READING not in matches[0]:
            return matches
        time.sleep(1)


def inspect(client, code, at):
    while True:
        told = client.inspect(code, at, reply=True, timeout=None)["content"]["data"]
        if READING not in told.get("text/plain", ""):
            return told
        time.sleep(1)


def seen(client, enough):
    while not enough(client.get_iopub_msg(timeout=None)):
        pass


def say(what, value):
    print(json.dumps([what, value], ensure_ascii=False), flush=True)


main()
