"""Run the programs of container images, for AWS Batch jobs and Lambda functions.

1. ``programs`` defines the types: a program, and the interface of a running program.
2. ``registry`` finds the folder that an image was built from, by the image's URI.
3. ``launcher`` starts a program: with ``containers`` through a Docker API that has the image,
   otherwise with ``processes`` from the image's folder.
"""
