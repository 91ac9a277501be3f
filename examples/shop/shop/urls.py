from django.urls import include, path
from rest_framework.routers import DefaultRouter

from catalog.views import ProductViewSet
from orders.views import OrderViewSet
from shop.views import healthz, version

router = DefaultRouter()
router.register("products", ProductViewSet)
router.register("orders", OrderViewSet)

urlpatterns = [
    path("api/", include(router.urls)),
    path("healthz", healthz),
    path("version", version),
]
