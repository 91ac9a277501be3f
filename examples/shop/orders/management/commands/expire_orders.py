from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone

from orders.models import Order


class Command(BaseCommand):
    help = "Expires orders that were not paid in time, and returns their stock."

    def add_arguments(self, parser):
        parser.add_argument(
            "--minutes", type=int, default=60, help="How long an order may wait. Default: 60."
        )

    def handle(self, *, minutes, **options):
        deadline = timezone.now() - timedelta(minutes=minutes)
        unpaid = Order.objects.filter(status=Order.Status.PLACED, created_at__lt=deadline)
        expired = sum(order.expire() for order in unpaid)
        self.stdout.write(f"orders expired: {expired}")
