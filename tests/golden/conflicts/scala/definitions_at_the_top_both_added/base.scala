package text

def shout(s: String): String = s.toUpperCase
