fun sow(field: Field): Crop {
    val seed = field.pick(wheat)
    val row = field.row(last)
    return row.plant(seed)
}
