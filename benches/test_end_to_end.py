"""What does a task that does nothing cost, end to end, in one process with a ThreadRunner of four slots?

The numbers are of this machine, with client and runner sharing one GIL: good for comparing two commits, not two
products. SQLite has its default durability, so its numbers are those of the disk's flush.
"""

from pynenc import Task

BATCH_TASKS = 1000


def test_latency_of_one_noop_task_from_submit_to_result(benchmark, noop: Task[[], None]) -> None:
    """One in flight: seconds per task."""
    benchmark.extra_info["unit"] = "seconds per task"
    benchmark.pedantic(lambda: noop().result, rounds=200, warmup_rounds=20)


def test_time_of_1000_noop_tasks_from_submit_to_the_last_result(benchmark, noop: Task[[], None]) -> None:
    """A batch through `parallelize`: seconds per batch of 1000."""
    benchmark.extra_info["unit"] = f"seconds per {BATCH_TASKS} tasks"

    def batch() -> None:
        results = list(noop.parallelize([()] * BATCH_TASKS).results)
        assert len(results) == BATCH_TASKS

    benchmark.pedantic(batch, rounds=5, warmup_rounds=1)
