def load(path):
    content = read(path)
    return content
