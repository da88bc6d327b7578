class Basket:
    def add(self, item):
        self.items.append(item)

    def total(self):
        return sum(self.items)
