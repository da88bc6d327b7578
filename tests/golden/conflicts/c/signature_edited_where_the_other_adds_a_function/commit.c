#include "shape.h"

void fold(struct shape *s)
{
	s->w /= 2;
}

int area(struct shape *s)
{
	return s->w * s->h;
}
