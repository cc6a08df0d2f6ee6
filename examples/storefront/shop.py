"""The shop itself: what it sells, and what it answers."""

import sqlite3
from html import escape
from urllib.parse import parse_qs

PRODUCTS = {  # id: (name, price in cents)
    "teapot": ("Teapot, short and stout", 3900),
    "kettle": ("Kettle, gooseneck", 6400),
    "cup": ("Cup, porcelain", 1200),
    "tin": ("Tea tin, airtight", 1500),
    "sencha": ("Sencha, 100 g", 1850),
    "oolong": ("Oolong, 100 g", 2200),
}
QUANTITY_MAX = 99


class Shop:
    """Answers requests with (status, headers, text)."""

    def __init__(self, release, orders):
        self._release, self._orders = release, orders

    def answer(self, method, path, body):
        """Answers a request. A database that does not answer is a 503."""
        _, kind, *names = path.split("/")
        name = names[0] if len(names) == 1 else ""
        try:
            if method == "GET" and path == "/":
                return self._list()
            if method == "GET" and path == "/healthz":
                return self._health()
            if method == "GET" and kind == "product" and name in PRODUCTS:
                return self._product(name)
            if method == "GET" and kind == "orders" and name:
                return self._receipt(name)
            if method == "POST" and path == "/orders":
                return self._order(body)
        except sqlite3.Error as error:
            return self.sorry(503, f"the database does not answer: {error}")
        return self.sorry(404, f"there is no {path} here")

    def sorry(self, status, text):
        """A page that says what went wrong."""
        return self._page("Sorry", f"<p>{escape(text)}</p>", status)

    def _list(self):
        items = "".join(
            f'<li><a href="/product/{product}">{escape(name)}</a> {_price(cents)}</li>'
            for product, (name, cents) in PRODUCTS.items()
        )
        return self._page("Storefront", f"<ul>{items}</ul>")

    def _health(self):
        self._orders.check()
        return 200, {"Content-Type": "text/plain; charset=utf-8"}, f"ok {self._release}\n"

    def _product(self, product):
        name, cents = PRODUCTS[product]
        form = (
            '<form method="post" action="/orders">'
            f'<input type="hidden" name="product" value="{product}">'
            f'<input type="number" name="quantity" value="1" min="1" max="{QUANTITY_MAX}"> <button>Order</button></form>'
        )
        return self._page(name, f"<p>{_price(cents)}</p>{form}")

    def _order(self, body):
        fields = parse_qs(body.decode("utf-8", "replace"))
        product = fields.get("product", [""])[0]
        quantity = fields.get("quantity", ["1"])[0]
        quantity = int(quantity) if quantity.isdecimal() and len(quantity) <= 2 else 0
        if product not in PRODUCTS or quantity < 1:
            return self.sorry(400, f"an order names a product and a quantity from 1 to {QUANTITY_MAX}")
        place = f"/orders/{self._orders.place(product, quantity)}"
        status, headers, text = self._page("Thank you", f'<p><a href="{place}">{place}</a></p>', 201)
        return status, {**headers, "Location": place}, text

    def _receipt(self, order):
        found = self._orders.find(order)
        if found is None:
            return self.sorry(404, f"there is no order {order} here")
        product, quantity, placed_at = found
        name, cents = PRODUCTS.get(product, (product, 0))
        return self._page(f"Order {order}", f"<p>{quantity} × {escape(name)}, {_price(cents * quantity)}, {placed_at} UTC</p>")

    def _page(self, title, content, status=200):
        text = (
            f'<!doctype html><html lang="en"><title>{escape(title)}</title><h1>{escape(title)}</h1>\n{content}\n'
            f'<footer><a href="/">Storefront</a>, release {escape(self._release)}</footer></html>\n'
        )
        return status, {"Content-Type": "text/html; charset=utf-8"}, text


def _price(cents):
    return f"€{cents // 100}.{cents % 100:02}"
