#include "log.h"

void Log::write(const std::string& text) {
    out_ << text;
}

void Log::write(const Error& error, bool loudly) {
    if (loudly) bell();
    out_ << error.what();
}
