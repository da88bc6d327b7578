export PATH=/usr/local/bin:/usr/bin
readonly ROOT=/opt/shop
