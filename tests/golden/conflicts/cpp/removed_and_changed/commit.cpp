#include "log.h"

void Log::write(const std::string& text) {
    out_ << text;
}

void Log::flush() {
    if (open_) out_.flush();
}
