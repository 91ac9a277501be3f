from django.http import HttpResponse

from .models import Post


def front_page(request):
    return HttpResponse(f"My blog has {Post.objects.count()} posts\n")
