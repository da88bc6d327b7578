class Till:
	def open(self):
		return 1

	def close(self, hard):
		return hard
