"""Call the tasks, as a client does."""

import more
import shop.mail

for module in (more, shop.mail):
    print(module.job().get_result(timeout=60))
