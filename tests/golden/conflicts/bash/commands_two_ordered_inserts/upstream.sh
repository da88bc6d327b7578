mkdir -p build
./configure
make
