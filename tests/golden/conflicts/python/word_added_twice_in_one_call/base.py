show(cut(row.title), row.number)
