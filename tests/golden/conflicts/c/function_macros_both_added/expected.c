#include "shape.h"

#define HALF(n) ((n) / 2)
#define AREA(s) ((s)->w * (s)->h)
#define IS_OPEN(s) (!(s)->closed)

void draw(void);
