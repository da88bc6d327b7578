#include "log.h"

void Log::write(const std::string& text) {
    out_ << text;
}

void Log::write(int number) {
    out_ << std::dec << number;
}

void Log::write(const Error& error, bool loudly) {
    if (loudly) bell();
    out_ << error.what();
}
