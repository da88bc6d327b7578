#ifdef HAVE_THREADS
static int lock_queue(void)
{
	return mutex_lock(&queue_lock);
}
#endif
