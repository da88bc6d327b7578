namespace {

int parse(const char* text) {
    return std::atoi(text);
}

}  // namespace

int Reader::next() {
    return parse(line_);
}
