#define FLAG_READ 0x1
#define FLAG_WRITE 0x2
#define FLAG_LOCK 0x4

int open_table(int flags);
