"""Every peer program is driven in the same way: a line with a count comes in, that many messages are put into the
queue and waited for, a line with the seconds goes out. Starting the program and its workers is not measured."""

import json
import os
import subprocess
import sys
import time


def drive(enqueue, finished, workers, prepare=lambda count: None):
    """`enqueue(count)` puts messages into the queue, `finished(count)` says whether all are done.

    `prepare(count)` comes before and is not measured.
    """
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr) for command in workers]
    print(json.dumps({"workers": [process.pid for process in running]}), flush=True)
    try:
        for line in sys.stdin:
            count = int(line)
            prepare(count)
            begun = time.perf_counter()
            enqueue(count)
            while not finished(count):
                if any(process.poll() is not None for process in running):
                    sys.exit("a worker has ended")
                time.sleep(0.01)
            print(json.dumps({"seconds": time.perf_counter() - begun, "messages": count}), flush=True)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def setting(name):
    """One of the addresses the benchmark gives through the environment."""
    return os.environ["BENCH_" + name]
