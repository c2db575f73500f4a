"""`python -m simulator --model NAME`: serve until SIGTERM."""

import asyncio
import os
import sys

from simulator import options


def main() -> None:
    chosen = options.parse(sys.argv[1:], os.environ)
    # A wrong argument is told before a quarter of a second goes into loading aiohttp.
    from simulator import serving  # noqa: PLC0415

    try:
        asyncio.run(serving.serve(chosen))
    except OSError as error:
        sys.exit(f"simulator: {chosen.host}:{chosen.port}: {error.strerror}")


if __name__ == "__main__":
    main()
