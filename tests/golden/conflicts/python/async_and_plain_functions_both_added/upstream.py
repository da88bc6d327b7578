LIMIT = 10


async def fetch(key):
    return await store(key)
