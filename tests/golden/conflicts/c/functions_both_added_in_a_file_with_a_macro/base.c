#include "pump.h"

void pump_cron(void) {
    every_ms(100) {
        pump_sample();
        pump_report();
    }
}

int pump_level(int tank) {
    return read_level(tank);
}
