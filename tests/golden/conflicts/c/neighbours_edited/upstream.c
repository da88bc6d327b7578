static unsigned int depth;
static int width = 4;

int area(void)
{
	return depth * width;
}
