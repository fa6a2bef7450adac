"""The six tasks. Runners start with `pynenc --app shop.tasks runner start`."""

from __future__ import annotations

from decimal import Decimal

from shop import services
from shop.models import Line, Order, Receipt

from pynenc import Pynenc

app = Pynenc("shop")
# Declared outside this module and in no `retry_for`: registration lets callers receive this class, not a RemoteError.
app.register_exception(services.SoldOut)


@app.task
def price(line: Line) -> Decimal:
    """Return the cost of one line of an order."""
    return services.price_of(line.article) * line.quantity


@app.task
def reserve(line: Line) -> int:
    """Reserve the goods of one line; return how many are left in stock."""
    left = services.take_from_stock(line.article, line.quantity)
    if left < services.STOCK_LOW:
        restock(line.article)
    return left


@app.task(registration_concurrency="arguments")
def restock(article: str) -> None:
    """Order more of an article. Further calls for this article join a queued one."""
    services.order_more(article)


@app.task(max_retries=3, retry_for=(services.BankUnavailable,), timeout=30)
def charge(order: int, amount: Decimal) -> str:
    """Take the money. The order number is the reference, so that a retry cannot take it twice."""
    return services.debit(f"order-{order}", amount)


@app.task(queue="mail", max_retries=5, retry_for=(OSError,))
def send_receipt(email: str, receipt: Receipt) -> None:
    """Mail the receipt. The queue `mail` keeps slow mail servers away from the rest."""
    services.send_mail(email, f"Order {receipt.order}: {receipt.total} ({receipt.payment})")


@app.task
def fulfil(order: Order) -> Receipt:
    """Run a whole order. While it waits for its parts it holds no slot of the runner."""
    prices = price.parallelize([(line,) for line in order.lines])
    reserve.parallelize([(line,) for line in order.lines]).get_results()
    total = sum(prices.get_results(), Decimal())
    receipt = Receipt(order.number, total, charge(order.number, total).result)
    send_receipt(order.email, receipt)
    return receipt
