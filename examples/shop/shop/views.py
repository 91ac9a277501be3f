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
    """Alive, and which release this is. Asks nothing of anything else."""
    return JsonResponse({"version": settings.SHOP_VERSION})
