#include "log.h"

void Log::write(const std::string& text) {
    out_ << text;
}
