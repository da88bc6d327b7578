class Desk:
    def open(self):
        return 1

    def close(self):
        return 2

    def sit(self):
        return 33
