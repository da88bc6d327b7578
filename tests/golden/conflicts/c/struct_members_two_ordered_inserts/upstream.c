struct header {
	unsigned short kind;
	unsigned short length;
	unsigned int crc;
};
