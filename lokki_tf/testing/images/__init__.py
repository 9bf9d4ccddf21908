"""Programs of container images, for Batch's jobs and for Lambda functions that are images.

``programs`` says what is to run and how to speak with what runs; ``containers`` runs it through a
Docker API, ``processes`` from the folder that an image is made of, where there is no container to
be had; ``launcher`` chooses. ``registry`` knows which folder an image's URI stands for.
"""
