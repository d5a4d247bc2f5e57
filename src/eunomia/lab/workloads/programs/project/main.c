#include <stdio.h>

const char *part(void);

int main(void)
{
	puts(part());
	return 0;
}
