#ifdef HAVE_THREADS
static int lock_queue(void)
{
	return mutex_lock(&queue_lock);
}

static void unlock_queue(void)
{
	mutex_unlock(&queue_lock);
}
#endif
