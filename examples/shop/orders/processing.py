"""What the worker does."""

import logging

from orders.models import Order

logger = logging.getLogger(__name__)


def ship_paid_orders():
    """Ship what is paid, oldest first. Any number of workers may do so at once."""
    shipped = 0
    for order in Order.objects.filter(status=Order.Status.PAID).order_by("created_at"):
        if order.ship():
            logger.info("order %s shipped", order.pk)
            shipped += 1
    return shipped
