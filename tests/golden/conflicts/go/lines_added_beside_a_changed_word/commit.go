package pond

func Fill(pond *Pond, litres int) error {
	pond.Level = whole(litres)
	pond.Fish.Wake()
	return pond.Save()
}
