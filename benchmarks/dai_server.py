"""A server in the form of the one in an export of Driverless AI: Tornado, one process, one thread.

Runs in the pipeline's Python (3.6 and later), with Tornado on its path, and knows nothing of
dai_spark::

    python dai_server.py WHEEL PACKAGE PORT

``POST /rpc`` takes ``{"id": 1, "method": "score", "params": {"row": {...}}}``.
"""

import importlib
import json
import sys

import pandas as pd
import tornado.ioloop
import tornado.web

wheel, package, port = sys.argv[1:4]
sys.path.insert(0, wheel)
scorer = importlib.import_module(package).Scorer()
NAMES = list(scorer.get_column_names())


class Rpc(tornado.web.RequestHandler):
    """Scores one row of each request."""

    def post(self):
        """Answer one call."""
        call = json.loads(self.request.body)
        row = call["params"]["row"]
        frame = pd.DataFrame({name: [row[name]] for name in NAMES})
        numbers = [name for name in NAMES if not isinstance(row[name], str)]
        frame[numbers] = frame[numbers].astype("float32")
        result = scorer.score_batch(frame).iloc[0].tolist()
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}))


tornado.web.Application([("/rpc", Rpc)]).listen(int(port), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
