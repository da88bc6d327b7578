class Shop:
    class Meta:
        def name(self):
            return 'shop'

        def table(self):
            return f'{self.name()}_table'

    def open(self):
        return True
