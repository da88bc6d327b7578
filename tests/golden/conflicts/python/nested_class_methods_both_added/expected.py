class Shop:
    class Meta:
        def name(self):
            return 'shop'

        def plural(self):
            return 'shops'

        def table(self):
            return f'{self.name()}_table'

    def open(self):
        return True
