"""What botocore sends for values, by AWS's model of a service, beside what the function has sent."""

import re

import botocore.session
from botocore.serialize import create_serializer
from botocore.utils import percent_encode_sequence
from recorder import canonical


class ServiceRequests:
    """The requests of a service."""

    def __init__(self, service):
        self._model = botocore.session.get_session().get_service_model(service)

    def assert_sent(self, exchange, operation_name, **values):
        """The function's request is botocore's for these values; those that are None count as absent.

        Only the order of an object's members may be another, and headers of a trace are Lambda's.
        """
        expected = self._serialise(operation_name, **values)
        assert (exchange.method, exchange.path) == (expected["method"], expected["url_path"])
        assert exchange.query == percent_encode_sequence(expected["query_string"])
        for name, value in expected["headers"].items():
            assert exchange.headers.get_all(name) == [value]
        others = self._headers(operation_name) - set(expected["headers"]) - {"X-Amzn-Trace-Id"}
        assert not [name for name in others if name in exchange.headers]
        assert canonical(exchange.body) == canonical(expected["body"])

    def _serialise(self, operation_name, **values):
        operation = self._model.operation_model(operation_name)
        values = {name: value for name, value in values.items() if value is not None}
        assert_fits(operation.input_shape, values)
        serializer = create_serializer(self._model.metadata["protocol"], include_validation=True)
        return serializer.serialize_to_request(values, operation)

    def _headers(self, operation_name):
        """The names of the headers that an operation knows."""
        members = self._model.operation_model(operation_name).input_shape.members.values()
        places = [member.serialization for member in members]
        return {place["name"] for place in places if place.get("location") == "header"}


def assert_fits(shape, value):
    """The value is what the model allows: botocore leaves patterns and most bounds to the service."""
    if getattr(shape, "is_document_type", False):
        return
    match shape.type_name:
        case "structure":
            for name, member in value.items():
                assert_fits(shape.members[name], member)
        case "list":
            for member in value:
                assert_fits(shape.member, member)
        case "string":
            assert shape.metadata.get("min", 0) <= len(value), value
            assert len(value) <= shape.metadata.get("max", len(value)), value
            assert value in (shape.enum or [value])
            assert re.fullmatch(shape.metadata.get("pattern", "(?s:.*)"), value), value
