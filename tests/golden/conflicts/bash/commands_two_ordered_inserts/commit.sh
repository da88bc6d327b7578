mkdir -p build
rm -f build/*.o
make
