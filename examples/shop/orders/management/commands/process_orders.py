import signal
import time

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from orders.processing import ship_paid_orders


class Command(BaseCommand):
    help = "Ships paid orders until it receives SIGTERM."

    def add_arguments(self, parser):
        parser.add_argument(
            "--interval", type=float, default=1, help="Seconds between two looks. Default: 1."
        )

    def handle(self, *, interval, **options):
        self.stopping = False
        signal.signal(signal.SIGTERM, self.stop)
        self.stdout.write(f"process_orders {settings.SHOP_VERSION}: waiting for paid orders")

        while not self.stopping:
            close_old_connections()
            ship_paid_orders()
            time.sleep(interval)

    def stop(self, signum, frame):
        self.stopping = True
