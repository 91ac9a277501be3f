from django.test import TestCase

from .models import Post


class FrontPageTest(TestCase):
    def test_counts_the_posts(self):
        Post.objects.create(title="Hello")
        self.assertContains(self.client.get("/"), "My blog has 1 posts")
