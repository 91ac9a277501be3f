import os
import signal
import threading
from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.db import connection
from django.test import TestCase, TransactionTestCase
from django.utils import timezone
from rest_framework.test import APIClient, APITestCase

from catalog.models import Product
from orders.models import Order


def add_product(sku="MUG", stock=5):
    return Product.objects.create(name=sku.title(), sku=sku, price="7.50", stock=stock)


def place_order(client, *lines):
    lines = [{"product": product.pk, "quantity": quantity} for product, quantity in lines]
    return client.post("/api/orders/", {"lines": lines}, format="json")


class PlaceOrderTests(APITestCase):
    def test_takes_the_stock_and_keeps_the_price(self):
        mug = add_product(stock=5)

        response = place_order(self.client, (mug, 2))
        Product.objects.filter(pk=mug.pk).update(price="9.00")

        self.assertEqual(response.status_code, 201)
        self.assertEqual(response.json()["status"], "placed")
        mug.refresh_from_db()
        self.assertEqual(mug.stock, 3)
        order = self.client.get(f"/api/orders/{response.json()['id']}/").json()
        self.assertEqual(order["lines"][0]["unit_price"], "7.50")

    def test_too_little_stock_is_refused_and_nothing_is_taken(self):
        mug, tea = add_product("MUG", stock=5), add_product("TEA", stock=1)

        response = place_order(self.client, (mug, 2), (tea, 2))

        self.assertEqual(response.status_code, 400)
        self.assertEqual(response.json(), {"lines": ["Only 1 of TEA left."]})
        mug.refresh_from_db()
        self.assertEqual(mug.stock, 5)
        self.assertFalse(Order.objects.exists())

    def test_two_lines_of_one_product_share_its_stock(self):
        mug = add_product(stock=3)

        response = place_order(self.client, (mug, 2), (mug, 2))

        self.assertEqual(response.status_code, 400)

    def test_an_empty_order_is_refused(self):
        self.assertEqual(place_order(self.client).status_code, 400)

    def test_a_quantity_is_at_least_one(self):
        self.assertEqual(place_order(self.client, (add_product(), 0)).status_code, 400)


class ConcurrentOrderTests(TransactionTestCase):
    def test_the_last_piece_is_sold_once(self):
        mug = add_product(stock=1)
        ready = threading.Barrier(4)
        answers = []

        def buy():
            ready.wait()
            answers.append(place_order(APIClient(), (mug, 1)).status_code)
            connection.close()

        buyers = [threading.Thread(target=buy) for _ in range(4)]
        for buyer in buyers:
            buyer.start()
        for buyer in buyers:
            buyer.join()

        self.assertEqual(sorted(answers), [201, 400, 400, 400])
        mug.refresh_from_db()
        self.assertEqual(mug.stock, 0)


class PayOrderTests(APITestCase):
    def test_a_placed_order_can_be_paid(self):
        order = Order.objects.place([(add_product(), 1)])

        response = self.client.post(f"/api/orders/{order.pk}/pay/")

        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json()["status"], "paid")

    def test_an_order_is_paid_only_once(self):
        order = Order.objects.place([(add_product(), 1)])
        order.pay()

        response = self.client.post(f"/api/orders/{order.pk}/pay/")

        self.assertEqual(response.status_code, 409)


class ExpireOrdersTests(TestCase):
    def expire_orders(self):
        output = StringIO()
        call_command("expire_orders", "--minutes=60", stdout=output)
        return output.getvalue()

    def place_order(self, minutes_ago):
        order = Order.objects.place([(self.mug, 2)])
        placed_at = timezone.now() - timedelta(minutes=minutes_ago)
        Order.objects.filter(pk=order.pk).update(created_at=placed_at)
        return order

    def setUp(self):
        self.mug = add_product(stock=5)

    def test_an_old_unpaid_order_expires_and_gives_its_stock_back(self):
        order = self.place_order(minutes_ago=61)

        self.assertEqual(self.expire_orders(), "orders expired: 1\n")

        order.refresh_from_db()
        self.assertEqual(order.status, "expired")
        self.mug.refresh_from_db()
        self.assertEqual(self.mug.stock, 5)

    def test_a_fresh_order_waits(self):
        self.place_order(minutes_ago=59)

        self.assertEqual(self.expire_orders(), "orders expired: 0\n")

    def test_a_paid_order_never_expires(self):
        self.place_order(minutes_ago=61).pay()

        self.assertEqual(self.expire_orders(), "orders expired: 0\n")


class ProcessOrdersTests(TransactionTestCase):
    def test_ships_paid_orders_until_sigterm(self):
        mug = add_product()
        unpaid, paid = Order.objects.place([(mug, 1)]), Order.objects.place([(mug, 1)])
        paid.pay()
        output = StringIO()
        self.send_sigterm_to_myself(after=0.2)

        with self.assertLogs("orders.processing") as logs:
            call_command("process_orders", "--interval=0.05", stdout=output)

        self.assertIn("waiting for paid orders", output.getvalue())
        self.assertEqual([r.getMessage() for r in logs.records], [f"order {paid.pk} shipped"])
        unpaid.refresh_from_db()
        self.assertEqual(unpaid.status, "placed")

    def send_sigterm_to_myself(self, after):
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        sigterm = threading.Timer(after, os.kill, [os.getpid(), signal.SIGTERM])
        sigterm.start()
        self.addCleanup(sigterm.join)
