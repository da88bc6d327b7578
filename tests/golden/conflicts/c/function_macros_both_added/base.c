#include "shape.h"

#define HALF(n) ((n) / 2)

void draw(void);
