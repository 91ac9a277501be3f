from django.db import IntegrityError
from django.test import TestCase
from rest_framework.test import APITestCase

from catalog.models import Product


class ProductTests(TestCase):
    def test_the_database_refuses_a_negative_stock(self):
        product = Product.objects.create(name="Mug", sku="MUG", price="7.50", stock=1)

        with self.assertRaises(IntegrityError):
            Product.objects.filter(pk=product.pk).update(stock=-1)


class ProductApiTests(APITestCase):
    def test_a_product_can_be_added_and_read(self):
        mug = {"name": "Mug", "sku": "MUG", "price": "7.50", "stock": 3}

        created = self.client.post("/api/products/", mug, format="json")
        read = self.client.get(f"/api/products/{created.data['id']}/")

        self.assertEqual(created.status_code, 201)
        self.assertEqual(mug, {field: read.json()[field] for field in mug})

    def test_products_are_listed_by_name(self):
        Product.objects.create(name="Tea", sku="TEA", price="4.00")
        Product.objects.create(name="Mug", sku="MUG", price="7.50")

        response = self.client.get("/api/products/")

        self.assertEqual([p["sku"] for p in response.json()["results"]], ["MUG", "TEA"])

    def test_a_sku_belongs_to_one_product(self):
        Product.objects.create(name="Mug", sku="MUG", price="7.50")

        response = self.client.post(
            "/api/products/", {"name": "Other mug", "sku": "MUG", "price": "1.00"}, format="json"
        )

        self.assertEqual(response.status_code, 400)
        self.assertIn("sku", response.json())

    def test_a_price_is_not_negative(self):
        response = self.client.post(
            "/api/products/", {"name": "Mug", "sku": "MUG", "price": "-1.00"}, format="json"
        )

        self.assertEqual(response.status_code, 400)
        self.assertIn("price", response.json())

    def test_a_product_cannot_be_deleted(self):
        product = Product.objects.create(name="Mug", sku="MUG", price="7.50")

        response = self.client.delete(f"/api/products/{product.pk}/")

        self.assertEqual(response.status_code, 405)
