from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from orders.models import Order, OrderLine, OutOfStock


class OrderLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderLine
        fields = ["product", "quantity", "unit_price"]
        read_only_fields = ["unit_price"]
        extra_kwargs = {"quantity": {"min_value": 1}}


class OrderSerializer(serializers.ModelSerializer):
    lines = OrderLineSerializer(many=True, allow_empty=False)

    class Meta:
        model = Order
        fields = ["id", "status", "created_at", "lines"]
        read_only_fields = ["status"]

    def create(self, validated_data):
        lines = [(line["product"], line["quantity"]) for line in validated_data["lines"]]
        try:
            return Order.objects.place(lines)
        except OutOfStock as error:
            raise serializers.ValidationError({"lines": [str(error)]}) from error


class OrderViewSet(
    mixins.CreateModelMixin,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet,
):
    queryset = Order.objects.prefetch_related("lines")
    serializer_class = OrderSerializer

    @action(detail=True, methods=["post"])
    def pay(self, request, pk):
        order = self.get_object()
        if not order.pay():
            detail = {"detail": f"This order is {order.status}: it cannot be paid."}
            return Response(detail, status=status.HTTP_409_CONFLICT)
        return Response(self.get_serializer(order).data)
