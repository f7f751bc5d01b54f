"""Runs cells that read their standard input, with somebody who answers and without."""

from jupyter_client.manager import KernelManager

READ = """%%
var a, b string
_, err := fmt.Scanln(&a)
fmt.Println("first", a, err)
_, err = fmt.Scanln(&b)
fmt.Println("second", b, err)"""


def main():
    km = KernelManager(kernel_name="cpu")
    km.start_kernel()
    client = km.client()
    client.start_channels()
    client.wait_for_ready(timeout=None)
    try:
        answers = iter(["猫", "dog"])
        run(client, allow_stdin=True, stdin_hook=lambda m: client.input(next(answers)))
        run(client, allow_stdin=False)
    finally:
        km.shutdown_kernel()


def run(client, **asked):
    def show(m):
        if m["msg_type"] == "stream":
            print(m["content"]["text"], end="", flush=True)

    client.execute_interactive(READ, timeout=None, output_hook=show, **asked)


main()
