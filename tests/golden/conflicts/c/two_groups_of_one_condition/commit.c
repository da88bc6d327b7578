#ifdef DEBUG
static int traced;
#endif

int run(void);

#ifdef DEBUG
void dump(int level);
static int indent = 2;
#endif
