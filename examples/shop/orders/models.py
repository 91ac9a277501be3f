from django.db import models, transaction
from django.db.models import F

from catalog.models import Product


class OutOfStock(Exception):
    def __init__(self, product):
        super().__init__(f"Only {product.stock} of {product.sku} left.")


class OrderManager(models.Manager):
    @transaction.atomic
    def place(self, lines):
        """Take the stock for `lines`, pairs of product and quantity: all of them, or none."""
        # Always locked in the same order, so that two orders cannot wait for each other.
        wanted = Product.objects.filter(pk__in=[product.pk for product, _ in lines])
        products = wanted.order_by("pk").select_for_update().in_bulk()

        order = self.create()
        for product, quantity in lines:
            product = products[product.pk]
            if product.stock < quantity:
                raise OutOfStock(product)
            product.stock -= quantity
            product.save(update_fields=["stock"])
            order.lines.create(product=product, quantity=quantity, unit_price=product.price)
        return order


class Order(models.Model):
    class Status(models.TextChoices):
        PLACED = "placed"
        PAID = "paid"
        SHIPPED = "shipped"
        EXPIRED = "expired"

    status = models.CharField(max_length=10, choices=Status, default=Status.PLACED)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrderManager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self):
        return f"Order {self.pk} ({self.status})"

    def pay(self):
        return self._advance(self.Status.PLACED, self.Status.PAID)

    def ship(self):
        return self._advance(self.Status.PAID, self.Status.SHIPPED)

    @transaction.atomic
    def expire(self):
        """Put the stock of an unpaid order back."""
        if not self._advance(self.Status.PLACED, self.Status.EXPIRED):
            return False
        for line in self.lines.order_by("product_id"):
            product = Product.objects.filter(pk=line.product_id)
            product.update(stock=F("stock") + line.quantity)
        return True

    def _advance(self, old, new):
        """Change the status from `old` to `new`; False if someone else was faster."""
        changed = Order.objects.filter(pk=self.pk, status=old).update(status=new)
        if changed:
            self.status = new
        return bool(changed)


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self):
        return f"{self.quantity} x {self.product}"
