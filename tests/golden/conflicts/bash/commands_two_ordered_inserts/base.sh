mkdir -p build
make
