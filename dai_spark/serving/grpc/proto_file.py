"""Files of protobuf made at run time: no protoc, and the text of a .proto for those who have it."""

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Messages", "field", "file_of", "map_field", "message", "method", "proto_text"]

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_NAMES = {number: name for name, number in _KINDS.items()}
_WIDTH = 96


def field(
    name: str,
    number: int,
    kind: str,
    *,
    is_repeated: bool = False,
    is_optional: bool = False,
    oneof: Optional[str] = None,
) -> Dict[str, Any]:
    """One field of a message.

    Parameters
    ----------
    name : str
    number : int
    kind : str
        A type of protobuf, or a message's full name that begins with a dot.
    is_repeated, is_optional : bool
        Of neither nothing can be told from the type's zero.
    oneof : str, optional
        Name of those of which one is there.
    """
    return {
        "name": name,
        "number": number,
        "kind": kind,
        "is_repeated": is_repeated,
        "is_optional": is_optional,
        "oneof": oneof,
    }


def map_field(name: str, number: int, key: str, value: str) -> Dict[str, Any]:
    """A field that is a map; see `field`."""
    return {"name": name, "number": number, "map": (key, value)}


def message(
    name: str, fields: Sequence[Mapping[str, Any]], nested: Iterable[Any] = ()
) -> "descriptor_pb2.DescriptorProto":
    """One message.

    Parameters
    ----------
    name : str
    fields : sequence of dict
        Of `field` and `map_field`.
    nested : iterable of DescriptorProto
    """
    made = descriptor_pb2.DescriptorProto(name=name)
    made.nested_type.extend(nested)
    oneofs: Dict[str, int] = {}
    optional = []
    for one in fields:
        if "map" in one:
            _add_map(made, one)
            continue
        added = made.field.add(name=one["name"], number=one["number"])
        added.label = _Field.LABEL_REPEATED if one["is_repeated"] else _Field.LABEL_OPTIONAL
        _set_kind(added, one["kind"])
        if one["oneof"] is not None:
            if one["oneof"] not in oneofs:
                oneofs[one["oneof"]] = len(oneofs)
                made.oneof_decl.add(name=one["oneof"])
            added.oneof_index = oneofs[one["oneof"]]
        if one["is_optional"]:
            optional.append(added)
    # The oneofs that stand for optional fields come behind those that are meant.
    for added in optional:
        added.proto3_optional = True
        added.oneof_index = len(made.oneof_decl)
        made.oneof_decl.add(name=f"_{added.name}")
    return made


def _set_kind(added: "descriptor_pb2.FieldDescriptorProto", kind: str) -> None:
    if kind.startswith("."):
        added.type = _Field.TYPE_MESSAGE
        added.type_name = kind
    else:
        added.type = _KINDS[kind]


def _add_map(made: "descriptor_pb2.DescriptorProto", one: Mapping[str, Any]) -> None:
    entry = made.nested_type.add(
        name="".join(part.capitalize() for part in one["name"].split("_")) + "Entry"
    )
    entry.options.map_entry = True
    for name, number, kind in (("key", 1, one["map"][0]), ("value", 2, one["map"][1])):
        part = entry.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        _set_kind(part, kind)
    added = made.field.add(name=one["name"], number=one["number"], label=_Field.LABEL_REPEATED)
    added.type = _Field.TYPE_MESSAGE
    # Completed by `file_of`, which knows the package.
    added.type_name = f"{made.name}.{entry.name}"


def method(
    name: str, takes: str, gives: str, *, is_stream: bool = False
) -> "descriptor_pb2.MethodDescriptorProto":
    """One call of a service.

    Parameters
    ----------
    name : str
    takes, gives : str
        Names of messages of the same file.
    is_stream : bool, default False
        Of both.
    """
    return descriptor_pb2.MethodDescriptorProto(
        name=name,
        input_type=takes,
        output_type=gives,
        client_streaming=is_stream,
        server_streaming=is_stream,
    )


def file_of(
    name: str,
    package: str,
    messages: Iterable["descriptor_pb2.DescriptorProto"],
    service: str,
    methods: Iterable["descriptor_pb2.MethodDescriptorProto"],
    options: Optional[Mapping[str, Any]] = None,
) -> "descriptor_pb2.FileDescriptorProto":
    """A file with one service.

    Parameters
    ----------
    name : str
        ``"scoring.proto"``
    package : str
    messages : iterable of DescriptorProto
    service : str
    methods : iterable of MethodDescriptorProto
    options : mapping, optional
        Of protobuf's FileOptions: ``java_package`` and its like.
    """
    made = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    made.message_type.extend(messages)
    for found in made.message_type:
        for one in found.field:
            if one.type_name and not one.type_name.startswith("."):
                one.type_name = f".{package}.{one.type_name}"
        _complete(found, f".{package}.{found.name}")
    added = made.service.add(name=service)
    for one in methods:
        copied = added.method.add()
        copied.CopyFrom(one)
        copied.input_type = f".{package}.{one.input_type}"
        copied.output_type = f".{package}.{one.output_type}"
    for key, value in (options or {}).items():
        setattr(made.options, key, value)
    return made


def _complete(outer: "descriptor_pb2.DescriptorProto", path: str) -> None:
    for inner in outer.nested_type:
        for one in inner.field:
            if one.type_name and not one.type_name.startswith("."):
                one.type_name = f"{path}.{one.type_name}"
        _complete(inner, f"{path}.{inner.name}")


class Messages:
    """The classes of one file's messages, of a pool that nobody else has.

    Parameters
    ----------
    file : FileDescriptorProto
    pool : DescriptorPool, optional
        Where it is added; protobuf's own is shared with all libraries of a process, which may know
        another file of that name.
    """

    def __init__(
        self,
        file: "descriptor_pb2.FileDescriptorProto",
        pool: "Optional[descriptor_pool.DescriptorPool]" = None,
    ) -> None:
        self.file = file
        pool = pool if pool is not None else descriptor_pool.DescriptorPool()
        # Of bytes, since a pool takes no message of another implementation.
        pool.AddSerializedFile(file.SerializeToString())
        self._pool = pool
        self.service = f"{file.package}.{file.service[0].name}"

    def of(self, name: str) -> Any:
        """The class of a message.

        Parameters
        ----------
        name : str
            Within the package.
        """
        found = self._pool.FindMessageTypeByName(f"{self.file.package}.{name}")
        return message_factory.GetMessageClass(found)


def proto_text(
    file: "descriptor_pb2.FileDescriptorProto",
    comments: Optional[Mapping[str, str]] = None,
    head: Sequence[str] = (),
) -> str:
    """A file as the text that protoc reads.

    Parameters
    ----------
    file : FileDescriptorProto
    comments : mapping of str to str, optional
        By ``Message.field``, ``Message``, ``Service`` and ``Service.Method``.
    head : sequence of str
        Lines of a comment at the top.
    """
    notes = comments or {}
    lines = [f"// {_one_line(text)}".rstrip() for text in head]
    lines += [*([""] if head else []), 'syntax = "proto3";', "", f"package {file.package};", ""]
    for option, value in file.options.ListFields():
        told = ("true" if value else "false") if isinstance(value, bool) else f'"{value}"'
        lines.append(f"option {option.name} = {told};")
    for service in file.service:
        lines += ["", *_comment(notes.get(service.name), ""), f"service {service.name} {{"]
        for one in service.method:
            lines += _comment(notes.get(f"{service.name}.{one.name}"), "  ")
            takes, gives = _short(one.input_type, file), _short(one.output_type, file)
            takes = f"stream {takes}" if one.client_streaming else takes
            gives = f"stream {gives}" if one.server_streaming else gives
            lines.append(f"  rpc {one.name} ({takes}) returns ({gives}) {{}}")
        lines.append("}")
    for found in file.message_type:
        lines += ["", *_message_lines(found, file, notes, "")]
    return "\n".join(lines) + "\n"


def _message_lines(
    found: "descriptor_pb2.DescriptorProto",
    file: "descriptor_pb2.FileDescriptorProto",
    notes: Mapping[str, str],
    indent: str,
) -> List[str]:
    lines = [*_comment(notes.get(found.name), indent), f"{indent}message {found.name} {{"]
    maps = {entry.name: entry for entry in found.nested_type if entry.options.map_entry}
    for nested in found.nested_type:
        if nested.name not in maps:
            lines += _message_lines(nested, file, notes, indent + "  ")
    oneofs: Dict[int, List[str]] = {}
    for one in found.field:
        text, of_oneof = _field_text(one, file, maps)
        inner = indent + ("    " if of_oneof else "  ")
        told = [*_comment(notes.get(f"{found.name}.{one.name}"), inner), f"{inner}{text}"]
        if not of_oneof:
            lines += told
            continue
        if one.oneof_index not in oneofs:
            oneofs[one.oneof_index] = told
            lines.append(f"\0{one.oneof_index}")
        else:
            oneofs[one.oneof_index] += told
    whole: List[str] = []
    for line in lines:
        if line.startswith("\0"):
            index = int(line[1:])
            name = found.oneof_decl[index].name
            whole += [f"{indent}  oneof {name} {{", *oneofs[index], f"{indent}  }}"]
        else:
            whole.append(line)
    return [*whole, f"{indent}}}"]


def _field_text(
    one: "descriptor_pb2.FieldDescriptorProto",
    file: "descriptor_pb2.FileDescriptorProto",
    maps: Mapping[str, Any],
) -> Tuple[str, bool]:
    kind = _NAMES.get(one.type) or _short(one.type_name, file)
    entry = maps.get(one.type_name.rpartition(".")[2])
    if entry is not None:
        key, value = (_NAMES.get(part.type) or _short(part.type_name, file) for part in entry.field)
        return f"map<{key}, {value}> {one.name} = {one.number};", False
    word = ""
    if one.label == _Field.LABEL_REPEATED:
        word = "repeated "
    elif one.proto3_optional:
        word = "optional "
    of_oneof = one.HasField("oneof_index") and not one.proto3_optional
    return f"{word}{kind} {one.name} = {one.number};", of_oneof


def _short(name: str, file: "descriptor_pb2.FileDescriptorProto") -> str:
    found = name[1:] if name.startswith(".") else name
    return found[len(file.package) + 1 :] if found.startswith(file.package + ".") else found


def _comment(text: Optional[str], indent: str) -> List[str]:
    if not text:
        return []
    lines, line = [], ""
    for word in _one_line(text).split(" "):
        if line and len(indent) + 3 + len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [f"{indent}// {found}" for found in [*lines, line]]


def _one_line(text: str) -> str:
    """What can stand behind ``//``: a column's name may hold the end of a line."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
