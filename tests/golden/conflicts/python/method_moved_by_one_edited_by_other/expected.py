class Desk:
    def sit(self):
        return 33

    def open(self):
        return 1

    def close(self):
        return 2
