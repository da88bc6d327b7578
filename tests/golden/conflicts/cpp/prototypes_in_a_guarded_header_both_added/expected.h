#ifndef CLOCK_H
#define CLOCK_H

long now();
void sleep_until(long when);
const char* zone_name(int offset);

#endif  // CLOCK_H
