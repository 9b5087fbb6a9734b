"""Images of pipelines, and what runs in those without a server.

::

    image_commands  ``dai-spark image build``
    model_commands  ``dai-spark model info`` and ``model predict``
"""
