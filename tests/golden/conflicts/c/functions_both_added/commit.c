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

static const char *queue_name(int kind)
{
	return kind ? "fast" : "slow";
}
