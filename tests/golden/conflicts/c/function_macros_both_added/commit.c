#include "shape.h"

#define HALF(n) ((n) / 2)
#define IS_OPEN(s) (!(s)->closed)

void draw(void);
