from rest_framework import mixins, serializers, viewsets

from catalog.models import Product


class ProductSerializer(serializers.ModelSerializer):
    class Meta:
        model = Product
        fields = ["id", "name", "sku", "price", "stock", "weight_grams", "created_at"]
        extra_kwargs = {"price": {"min_value": 0}}


class ProductViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    viewsets.GenericViewSet,
):
    """Products are never deleted: old orders refer to them."""

    queryset = Product.objects.all()
    serializer_class = ProductSerializer
