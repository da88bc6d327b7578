class Shop:
    class Meta:
        def name(self):
            return 'shop'

        def plural(self):
            return 'shops'

    def open(self):
        return True
