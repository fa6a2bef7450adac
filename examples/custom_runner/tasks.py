"""Two tasks; one waits for others."""

from pynenc import Pynenc

app = Pynenc("custom_runner")


@app.task
def square(n: int) -> int:
    return n * n


@app.task
def sum_of_squares(count: int) -> int:
    return sum(square.parallelize([(n,) for n in range(count)]).results)
