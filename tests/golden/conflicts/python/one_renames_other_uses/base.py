def load(path):
    text = read(path)
    return text
