fun sow(field: Field): Crop {
    val seed = field.pick(barley)
    val row = field.row(last)
    return row.plant(seed)
}
