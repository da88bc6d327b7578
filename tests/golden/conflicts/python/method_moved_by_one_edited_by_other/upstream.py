class Desk:
    def sit(self):
        return 3

    def open(self):
        return 1

    def close(self):
        return 2
