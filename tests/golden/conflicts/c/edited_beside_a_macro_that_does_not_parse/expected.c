#include "pump.h"

void pump_cron(void) {
    every_ms(100) {
        pump_sample();
        pump_report();
    }
}

int pump_level(int tank) {
    int level = fast_level(tank);
    return scaled(level, UNIT);
}
