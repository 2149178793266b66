"""Terminals for tests: what a person at a terminal, and what an engine with a console socket, does.

session ARGV... runs a program on a new terminal; receive SOCKET takes a terminal by a console socket.
Both take their steps from the variable STEPS, a list of JSON objects: {"expect": TEXT} waits for output, {"send": TEXT} types,
{"resize": [ROWS, COLUMNS]} changes the size. At the end of the steps the terminal is read to its end,
and {"output": TEXT, "status": N, "name": TEXT, "count": N} is printed.
"""

import array
import fcntl
import json
import os
import select
import socket
import struct
import sys
import termios
import time

LIMIT = 20


def read(terminal, output):
    """Adds what there is; false at the end."""
    ready, _, _ = select.select([terminal], [], [], LIMIT)
    if not ready:
        raise TimeoutError(f"nothing more came after {output!r}")
    try:
        data = os.read(terminal, 4096)
    except OSError:
        return False
    output += data
    return len(data) > 0


def play(terminal, steps):
    output = bytearray()
    seen = 0
    for step in steps:
        if "send" in step:
            os.write(terminal, step["send"].encode())
        if "resize" in step:
            size = struct.pack("HHHH", *step["resize"], 0, 0)
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
        if "expect" in step:
            wanted = step["expect"].encode()
            while output.find(wanted, seen) < 0:
                if not read(terminal, output):
                    raise EOFError(f"no {wanted!r} in {output[seen:]!r}")
            seen = output.find(wanted, seen) + len(wanted)
        if "pause" in step:
            time.sleep(step["pause"])
    while read(terminal, output):
        pass
    return output.decode()


def session(argv, steps):
    pid, terminal = os.forkpty()
    if pid == 0:
        # Not before the size is set.
        sys.stdin.readline()
        os.execv(argv[0], argv)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    os.write(terminal, b"\n")
    output = play(terminal, steps)
    _, status = os.waitpid(pid, 0)
    return {"output": output, "status": os.waitstatus_to_exitcode(status)}


def receive(path, steps):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    print("listening", flush=True)
    connection, _ = listener.accept()
    size = array.array("i").itemsize
    name, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(8 * size))
    terminals = array.array("i", control[0][2])
    output = play(terminals[0], steps)
    return {"output": output, "name": name.decode(), "count": len(terminals)}


def main():
    mode, *argv = sys.argv[1:]
    steps = json.loads(os.environ["STEPS"])
    result = session(argv, steps) if mode == "session" else receive(argv[0], steps)
    print(json.dumps(result))


main()
