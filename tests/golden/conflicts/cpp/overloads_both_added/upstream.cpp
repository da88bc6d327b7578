#include "log.h"

void Log::write(const std::string& text) {
    out_ << text;
}

void Log::write(int number) {
    out_ << std::dec << number;
}
