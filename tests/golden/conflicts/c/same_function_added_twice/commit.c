#include <stdio.h>
#include "queue.h"

#define LIMIT 16

static int size;

int queue_size(void)
{
	return size;
}

void queue_reset(void)
{
	size = 0;
}

int queue_empty(void)
{
	return !size;
}
