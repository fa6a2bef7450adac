"""Call the tasks, as a client does."""

import shop.mail

for module in (shop.mail,):
    print(module.job().get_result(timeout=60))
