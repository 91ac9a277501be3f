from unittest import mock

from django.db import OperationalError, connection
from django.test import SimpleTestCase, TestCase, override_settings


class HealthTests(TestCase):
    def test_healthy_while_the_database_answers(self):
        response = self.client.get("/healthz")

        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json(), {"status": "ok"})

    def test_unhealthy_while_the_database_is_away(self):
        gone = OperationalError("connection refused")

        with mock.patch.object(connection, "cursor", side_effect=gone):
            with self.assertLogs("django.request", "ERROR"):
                response = self.client.get("/healthz")

        self.assertEqual(response.status_code, 503)


class VersionTests(SimpleTestCase):
    # A SimpleTestCase may not touch the database: /version must answer without one.

    @override_settings(SHOP_VERSION="0a1b2c3")
    def test_names_the_release(self):
        self.assertEqual(self.client.get("/version").json(), {"version": "0a1b2c3"})
