#define FLAG_READ 0x1
#define FLAG_WRITE 0x2

int open_table(int flags);
