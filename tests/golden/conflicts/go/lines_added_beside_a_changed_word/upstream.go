package pond

func Fill(pond *Pond, litres int) error {
	pond.Level = half(litres)
	return pond.Save()
}
