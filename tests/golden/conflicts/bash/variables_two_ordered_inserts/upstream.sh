root=/srv
logs=$root/logs
