"""A pack for the tests: POST /page_events sends an event to every open page, over the server's own channel."""

from aiohttp import web
from server import PromptServer


@PromptServer.instance.routes.post("/page_events")
async def page_events(request):
    said = await request.json()
    PromptServer.instance.send_sync(said["event"], said["data"])
    return web.json_response({})


NODE_CLASS_MAPPINGS = {}  # without it the host takes the folder for a broken pack
