class Shop:
    class Meta:
        def name(self):
            return 'shop'

    def open(self):
        return True
