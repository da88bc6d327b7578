root=/srv
