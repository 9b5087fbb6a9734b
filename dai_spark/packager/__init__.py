"""Images from pipelines: ``dai-spark image build``, in Odahu's words.

Runs on a machine with docker, podman or buildah; no pipeline is loaded and no licence is read.

::

    asked/          pack.yaml, connections: read and checked
    image_name      names of images: templates filled in, characters that none may have replaced
    credentials     the file that an engine finds a registry's password in
    artifact        the pipeline that an image is of, its name and its version
    engine          docker, podman or buildah, whichever works
    image_facts     what an image says of itself
    base_image      the image below: whether it will do, and what of ours it has
    dockerfile      the text of the Dockerfile
    build_folder    the files that a build sees
    build_image     all of it: one image, pushed and saved
    entity          what was packed, as YAML, JSON or by JSONPath
"""
