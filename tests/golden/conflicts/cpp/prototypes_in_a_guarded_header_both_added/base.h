#ifndef CLOCK_H
#define CLOCK_H

long now();

#endif  // CLOCK_H
