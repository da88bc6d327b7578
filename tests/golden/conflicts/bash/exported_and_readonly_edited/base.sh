export PATH=/usr/bin
readonly ROOT=/srv
