"""Thumbnails: scales a PNG or PNM image down. Python's standard library is all it needs.

The event says what to do:

    {"image": "<the file, in base64>", "width": 64}

and the answer is the same for the smaller image, never larger than the given one:

    {"image": "<a PNG, in base64>", "width": 64, "height": 48, "release": "2026.11.3"}

What the release is comes with the bundle, from `release.env` beside this file:

    RELEASE=2026.11.3       said in every answer; `dev` without it
    FAULT=broken-release    for rehearsals: what is wrong with this release, nothing without it

FAULT is one of `broken-release` (every answer is an error), `sick-release=PERCENT` (that share of them is),
`slow-release=SECONDS` (each takes so much longer) and `init-failure` (the module cannot be loaded).
"""

import base64
import binascii
import random
import time
from pathlib import Path

import images

WIDTH_MAX = 1024


def _settings(path):
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line)


_SETTINGS = _settings(Path(__file__).with_name("release.env"))
RELEASE = _SETTINGS.get("RELEASE", "dev")
_FAULT, _, _DEGREE = _SETTINGS.get("FAULT", "").partition("=")

if _FAULT == "init-failure":
    raise RuntimeError("this release cannot be loaded, as it was told")


class BadRequest(Exception):
    """The event asks for something that cannot be done."""


def handler(event, context):
    """Answers one event."""
    _misbehave()
    width = event.get("width") if isinstance(event, dict) else None
    if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= WIDTH_MAX:
        raise BadRequest(f"width is a whole number from 1 to {WIDTH_MAX}")
    try:
        picture = images.read(base64.b64decode(event.get("image", ""), validate=True))
    except (binascii.Error, TypeError) as error:
        raise BadRequest(f"image is not base64: {error}") from error
    except images.Unreadable as error:
        raise BadRequest(f"image cannot be read: {error}") from error
    small = picture.scaled_to(min(width, picture.width))
    image = base64.b64encode(images.to_png(small)).decode("ascii")
    return {"image": image, "width": small.width, "height": small.height, "release": RELEASE}


def _misbehave():
    if _FAULT == "slow-release":
        time.sleep(float(_DEGREE))
    if _FAULT == "broken-release" or (_FAULT == "sick-release" and random.random() * 100 < float(_DEGREE)):
        raise RuntimeError("this release is broken, as it was told")
