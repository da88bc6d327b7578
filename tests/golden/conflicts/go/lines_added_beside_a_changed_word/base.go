package pond

func Fill(pond *Pond, litres int) error {
	pond.Level = whole(litres)
	return pond.Save()
}
