"""Call the tasks, as a client does."""

import mail

for module in (mail,):
    print(module.job().get_result(timeout=60))
