type Name = str
type Names = list[Name]
