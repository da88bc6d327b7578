#ifndef CLOCK_H
#define CLOCK_H

long now();
const char* zone_name(int offset);

#endif  // CLOCK_H
