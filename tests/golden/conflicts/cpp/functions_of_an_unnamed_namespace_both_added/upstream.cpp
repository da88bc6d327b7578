namespace {

int parse(const char* text) {
    return std::atoi(text);
}

bool blank(char c) {
    return c == ' ';
}

}  // namespace

int Reader::next() {
    return parse(line_);
}
