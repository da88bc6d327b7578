class Basket:
    def add(self, item):
        self.items.append(item)

    def clear(self):
        self.items.clear()

    def total(self):
        return sum(self.items)
