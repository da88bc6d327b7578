package text

def shout(s: String): String = s.toUpperCase

def whisper(s: String): String = s.toLowerCase
