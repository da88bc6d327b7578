limit = 10      # of rows
