def area(w, h):
    if w:
        log(w)
        log(h)
    return w * h
