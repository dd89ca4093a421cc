"""What is told of an application's routes is what requests to it meet."""

import re
import sys

import pytest
from applications import APPLICATIONS
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from werkzeug.test import Client

from bearerguard.dev.routes import look_at
from bearerguard.gate import METHODS
