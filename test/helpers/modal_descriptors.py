"""Writes the protocol of the installed Modal client as a FileDescriptorSet to standard output."""

import sys

from google.protobuf import descriptor_pb2
from modal_proto import api_pb2

done = descriptor_pb2.FileDescriptorSet()
seen = set()


def add(file):
    if file.name in seen:
        return
    seen.add(file.name)
    for dependency in file.dependencies:
        add(dependency)
    file.CopyToProto(done.file.add())


add(api_pb2.DESCRIPTOR)
sys.stdout.buffer.write(done.SerializeToString())
