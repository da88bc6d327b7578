root=/srv
root+=/shop
