def first():
    return (3
