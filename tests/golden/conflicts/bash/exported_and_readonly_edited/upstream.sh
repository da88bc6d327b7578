export PATH=/usr/local/bin:/usr/bin
readonly ROOT=/srv
