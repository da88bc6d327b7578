GREETING = "good morning to you and to all of your family"
