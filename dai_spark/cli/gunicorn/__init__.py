"""The server as an application of gunicorn's, for who runs all of his services so.

::

    gunicorn_app   the application, by the words of ``dai-spark serve``
    gunicorn_conf  gunicorn's settings

    gunicorn -c python:dai_spark.cli.gunicorn.gunicorn_conf -k uvicorn_worker.UvicornWorker
        dai_spark.cli.gunicorn.gunicorn_app:app
"""
