"""A pack for the tests: GET /unet_calls answers how often this server has called a UNet."""

import comfy.model_base
from aiohttp import web
from server import PromptServer

calls: list[None] = []
apply_model = comfy.model_base.BaseModel.apply_model


def counted(*arguments, **options):
    calls.append(None)
    return apply_model(*arguments, **options)


comfy.model_base.BaseModel.apply_model = counted


@PromptServer.instance.routes.get("/unet_calls")
async def unet_calls(_):
    return web.json_response(len(calls))


NODE_CLASS_MAPPINGS = {}  # without it the host takes the folder for a broken pack
