"""`pulumi-resource-command ENGINE`: serve until the engine goes away."""

import os
from importlib.metadata import version

from plugins.command.provider import CommandProvider
from plugins.engine import Engine
from plugins.server import serve

serve(CommandProvider(Engine.from_argv(), dict(os.environ)), version("pulumi-command"))
