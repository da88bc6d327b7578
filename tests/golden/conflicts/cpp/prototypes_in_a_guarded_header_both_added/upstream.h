#ifndef CLOCK_H
#define CLOCK_H

long now();
void sleep_until(long when);

#endif  // CLOCK_H
