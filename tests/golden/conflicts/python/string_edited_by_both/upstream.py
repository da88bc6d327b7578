GREETING = "good evening to you and to all of your friends"
