"""The asyncio around the core."""
