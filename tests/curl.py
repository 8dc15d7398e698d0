"""As much of curl as the documentation uses, for machines that have none."""

import argparse
import sys

import httpx

parser = argparse.ArgumentParser()
parser.add_argument("-sS", action="store_true")
parser.add_argument("-X", default=None)
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d", default=None)
parser.add_argument("url")
given = parser.parse_args()
headers = dict(header.split(": ", 1) for header in given.H)
method = given.X or ("POST" if given.d is not None else "GET")
sys.stdout.write(httpx.request(method, given.url, headers=headers, content=given.d, timeout=60).text)
