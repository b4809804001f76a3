"""Stock of a small shop: what is there, what it is worth, what must be ordered."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Item:
    """One thing the shop sells."""

    name: str
    price: float
    quantity: int = 0

    def total(self) -> float:
        """Value of all pieces."""
        return self.price * self.quantity

    def is_available(self) -> bool:
        """Whether there is at least one piece."""
        return self.quantity > 0


@dataclass
class Inventory:
    """All items by name."""

    items: dict[str, Item] = field(default_factory=dict)

    def add(self, name: str, price: float, quantity: int) -> None:
        """Puts pieces on the shelf."""
        if name in self.items:
            self.items[name].quantity += quantity
        else:
            self.items[name] = Item(name, price, quantity)

    def remove(self, name: str, quantity: int) -> None:
        """Takes pieces off the shelf."""
        item = self.items[name]
        if quantity > item.quantity:
            raise ValueError(f"only {item.quantity} of {name} left")
        item.quantity -= quantity

    def total(self) -> float:
        """Value of everything."""
        return sum(item.total() for item in self.items.values())

    def available(self) -> list[Item]:
        """Items that can be sold."""
        return [item for item in self.items.values() if item.is_available()]


def read_inventory(path: Path) -> Inventory:
    """Reads a file of lines such as `pen,1.20,15`."""
    inventory = Inventory()
    with path.open() as file:
        for line in file:
            name, price, quantity = line.strip().split(",")
            inventory.add(name, float(price), int(quantity))
    return inventory


def write_inventory(inventory: Inventory, path: Path) -> None:
    """Writes the same format."""
    with path.open("w") as file:
        for item in inventory.items.values():
            file.write(f"{item.name},{item.price},{item.quantity}\n")


def print_report(inventory: Inventory) -> None:
    """Prints what is available and its value."""
    for item in inventory.available():
        print(item.name, item.quantity, item.total())
    print("total", inventory.total())
