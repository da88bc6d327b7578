struct header {
	unsigned short kind;
	unsigned short length;
};
