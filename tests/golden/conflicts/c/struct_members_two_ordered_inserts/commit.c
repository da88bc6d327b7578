struct header {
	unsigned short kind;
	unsigned short length;
	unsigned char version;
};
