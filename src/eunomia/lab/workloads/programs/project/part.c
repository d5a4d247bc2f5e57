const char *part(void)
{
	return "built";
}
