handed back
