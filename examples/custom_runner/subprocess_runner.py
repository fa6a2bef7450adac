"""A runner in plain Python: one subprocess per invocation, like a container or a cloud function."""

import os
import pickle
import subprocess
import sys
import time

from pynenc.app_info import AppInfo
from pynenc.exceptions import InvocationStatusOwnershipError
from pynenc.runner import BaseRunner

PAUSE_SEC = 0.02


class SubprocessRunner(BaseRunner):
    @staticmethod
    def mem_compatible():
        return False  # another process cannot see a store in memory

    @property
    def max_parallel_slots(self):
        return max(2, self.conf.min_parallel_slots)

    def _on_start(self):
        self.children = {}

    def runner_loop_iteration(self):
        self.reap()
        waiting = self.app.orchestrator.filter_by_status(self.children, ["paused"])
        free = self.max_parallel_slots - len(self.children) + len(waiting)
        for invocation in self.app.orchestrator.get_invocations_to_run(free):
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            command = [sys.executable, __file__, AppInfo.from_app(self.app).to_json()]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
            self.children[invocation.invocation_id] = (child, invocation)
            child.stdin.write(pickle.dumps(invocation))  # its id, and the claim that lets the child run it
            child.stdin.close()
        time.sleep(PAUSE_SEC)

    def reap(self):
        for invocation_id, (child, invocation) in list(self.children.items()):
            if child.poll() is not None:
                del self.children[invocation_id]
                try:  # back into the queue, unless the child has settled it, as it should
                    self.app.orchestrator.reroute_invocations([invocation])
                except InvocationStatusOwnershipError:
                    pass

    def on_cancel(self, invocation_id):
        child, _ = self.children.get(invocation_id, (None, None))
        if child is not None:
            child.kill()  # handed back by `reap`, it ends as cancelled

    def _on_stop(self):
        deadline = time.monotonic() + self.conf.stop_grace_sec
        while self.children:
            if time.monotonic() > deadline:
                [child.kill() for child, _ in self.children.values()]
            self.reap()
            time.sleep(PAUSE_SEC)

    def _on_stop_runner_loop(self):
        """The loop checks `running`."""

    def waiting_for_results(self, running_invocation, result_invocation, runner_args=None):
        if running_invocation is None:
            return time.sleep(PAUSE_SEC)
        # Called in the child: while it is paused, it does not count in the loop above.
        self.app.orchestrator.waiting_for_results(running_invocation, result_invocation)
        while not self.app.orchestrator.filter_final(result_invocation):
            time.sleep(PAUSE_SEC)
        self.app.orchestrator.set_invocation_status(running_invocation, "running")


if __name__ == "__main__":
    SubprocessRunner(AppInfo.from_json(sys.argv[1]).load())  # so that waits come to `waiting_for_results`
    pickle.load(sys.stdin.buffer).run()
