class Till:
	def open(self):
		return 1

	def count(self):
		for coin in self:
			yield coin
