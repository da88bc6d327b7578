show(cut(row.title, 50), row.number)
