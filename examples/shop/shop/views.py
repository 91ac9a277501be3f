from django.conf import settings
from django.db import Error, connection
from django.http import JsonResponse


def healthz(request):
    """Ready to serve: the database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return JsonResponse({"status": "no database"}, status=503)
    return JsonResponse({"status": "ok"})


def version(request):
    """Reports that the process is alive, and its release. Uses no other service."""
    return JsonResponse({"version": settings.SHOP_VERSION})
