"""Applications as users write them, for projects in which the plugin's tests run pytest."""

STARLETTE = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from bearerguard.starlette import BearerAuthMiddleware, requires, step_up

@requires("orders:read")
async def orders(request):
    return JSONResponse({"for": request.user.identity})

@requires("orders:read", "orders:write")
async def create(request):
    return JSONResponse({"for": request.user.identity}, 201)

@requires("pay", step_up(acr="mfa"))
async def pay(request):
    return JSONResponse({})

async def forgotten(request):
    return JSONResponse({})

app = Starlette(
    routes=[
        Route("/orders", orders),
        Route("/orders", create, methods=["POST"]),
        Route("/pay", pay),
        Route("/forgotten/{number:int}", forgotten),
        Route("/healthz", forgotten),
    ],
    middleware=[Middleware(BearerAuthMiddleware, public=["/healthz"])],
)
"""

FASTAPI = """
from typing import Annotated
from fastapi import FastAPI
from bearerguard.fastapi import AccessToken, BearerGuard

app = FastAPI()
guard = BearerGuard(app, public=["/healthz"])

@app.get("/orders")
async def orders(token: Annotated[AccessToken, guard.requires("orders:read")]):
    return {"for": token.subject}
"""

FLASK = """
from flask import Flask
from bearerguard.flask import BearerGuard, current_token, public, requires

app = Flask(__name__)
guard = BearerGuard(app)

@app.get("/orders")
@requires("orders:read")
def orders():
    return {"for": current_token.subject}

@app.get("/healthz")
@public
def healthz():
    return "ok"
"""

WSGI = """
from bearerguard.wsgi import BearerAuthMiddleware

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["bearerguard.token"].subject.encode()]

app = BearerAuthMiddleware(application, rules={"GET /orders": "orders:read"})
"""

ASGI = """
from bearerguard.asgi import BearerAuthMiddleware

async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

app = BearerAuthMiddleware(application, rules={"GET /orders": "orders:read"})
"""

DJANGO = """
import django
from django.conf import settings

if not settings.configured:
    settings.configure(ROOT_URLCONF="app", SECRET_KEY="s" * 60, ALLOWED_HOSTS=["*"], USE_TZ=True)
    django.setup()

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from bearerguard.asgi import BearerAuthMiddleware as ForASGI
from bearerguard.wsgi import BearerAuthMiddleware

def orders(request):
    return JsonResponse({"for": request.META["REMOTE_USER"]})

urlpatterns = [path("orders", orders)]
RULES = {"GET /orders": "orders:read"}
application = BearerAuthMiddleware(get_wsgi_application(), rules=RULES)
asgi_application = ForASGI(get_asgi_application(), rules=RULES)
"""

CLIENTS = {
    "starlette": (STARLETTE, "from starlette.testclient import TestClient", "TestClient(app)"),
    "fastapi": (FASTAPI, "from fastapi.testclient import TestClient", "TestClient(app)"),
    "flask": (FLASK, "", "app.test_client()"),
    "httpx": (
        WSGI,
        "import httpx",
        "httpx.Client(transport=httpx.WSGITransport(app), base_url='http://test')",
    ),
    "django": (
        DJANGO,
        "from app import application\nfrom bearerguard.testing.django import Client",
        "Client(application)",
    ),
}
CLIENTS["django"] = (DJANGO + "app = application\n", *CLIENTS["django"][1:])
