"""Typed async client over the public API. `draas.client.settings` and `.errors` are light; `.api` imports aiohttp."""
