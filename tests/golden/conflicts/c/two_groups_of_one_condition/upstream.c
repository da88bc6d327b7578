#ifdef DEBUG
static int traced;
#endif

int run(void);

#ifdef DEBUG
void dump(int level);
static int dumped = 1;
#endif
