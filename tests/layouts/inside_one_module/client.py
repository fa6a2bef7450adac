"""Call the tasks, as a client does."""

import tasks

for module in (tasks,):
    print(module.job().get_result(timeout=60))
