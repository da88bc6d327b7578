package pond

func Fill(pond *Pond, litres int) error {
	pond.Level = half(litres)
	pond.Fish.Wake()
	return pond.Save()
}
