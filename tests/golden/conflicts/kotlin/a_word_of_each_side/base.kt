fun sow(field: Field): Crop {
    val seed = field.pick(wheat)
    val row = field.row(first)
    return row.plant(seed)
}
