class Basket:
    def add(self, item):
        self.items.append(item)

    def first(self):
        return self.items[0]

    def total(self):
        return sum(self.items)
