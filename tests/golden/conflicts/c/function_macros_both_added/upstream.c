#include "shape.h"

#define HALF(n) ((n) / 2)
#define AREA(s) ((s)->w * (s)->h)

void draw(void);
