"""`pulumi-resource-command ENGINE`: serve until the engine goes away."""

import os
import sys
from importlib.metadata import version

from plugins.command.narration import EngineLog
from plugins.command.provider import CommandProvider
from plugins.server import serve

engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
serve(CommandProvider(EngineLog(engine), dict(os.environ)), version("pulumi-command"))
