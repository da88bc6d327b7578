export PATH=/usr/bin
readonly ROOT=/opt/shop
