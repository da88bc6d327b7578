show(cut(50, row.title), row.number)
