static int depth;
static int width = 8;

int area(void)
{
	return depth * width;
}
