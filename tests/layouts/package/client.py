"""Call the tasks, as a client does."""

import shop.mail
import shop.sub.relative

for module in (shop.mail, shop.sub.relative):
    print(module.job().get_result(timeout=60))
