"""Call the tasks, as a client does."""

import below.deep
import mail

for module in (below.deep, mail):
    print(module.job().get_result(timeout=60))
