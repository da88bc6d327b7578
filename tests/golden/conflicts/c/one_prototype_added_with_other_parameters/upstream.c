#include "pump.h"

void pump_open(int tank);
void pump_drain(int tank, int speed);
void pump_close(int tank);

void pump_close(int tank) {
    shut(tank);
}
