namespace {

int parse(const char* text) {
    return std::atoi(text);
}

bool blank(char c) {
    return c == ' ';
}

std::string& joined(std::string& left, Row row) {
    return left += row.text();
}

}  // namespace

int Reader::next() {
    return parse(line_);
}
