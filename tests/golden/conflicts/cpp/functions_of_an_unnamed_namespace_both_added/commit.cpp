namespace {

int parse(const char* text) {
    return std::atoi(text);
}

std::string& joined(std::string& left, Row row) {
    return left += row.text();
}

}  // namespace

int Reader::next() {
    return parse(line_);
}
