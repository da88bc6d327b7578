fun sow(field: Field): Crop {
    val seed = field.pick(barley)
    val row = field.row(first)
    return row.plant(seed)
}
