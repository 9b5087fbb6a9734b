"""Licences as they are given and found, and the licence taken out of texts."""

import json
import random
import string
from urllib.parse import quote

import pytest

from dai_spark.artifacts.license import License, find_license, read_license
from dai_spark.client.startup.sidecar_handle import SidecarHandle
from dai_spark.errors import LicenseError, OptionError, ShippingError
from dai_spark.host.uri import without_password
from dai_spark.plan.options import ScoringOptions
from dai_spark.sidecar.texts.secret import CleanStream, Secret

LETTERS = string.ascii_letters + string.digits + "+/="
MADE = random.Random(7)
TEXT = "".join(MADE.choices(LETTERS, k=700))
LINES = "\n".join("".join(MADE.choices(LETTERS, k=64)) for _ in range(12))
FILE, KEY = "DRIVERLESS_AI_LICENSE_FILE", "DRIVERLESS_AI_LICENSE_KEY"


def refuse(uri):
    raise AssertionError(uri)


@pytest.fixture(autouse=True)
def _no_licence_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in (FILE, KEY):
        monkeypatch.delenv(name, raising=False)


BAD = {
    "not UTF-8": (b"abc\xff\xfe\xfadef" * 5, r"is not text \(UTF-8\)"),
    "UTF-16, little end first": (TEXT.encode("utf-16"), "is written in UTF-16; save it as plain"),
    "UTF-16, big end first": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "is written in UTF-16"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "holds a zero byte"),
    "a zero byte": (TEXT.encode() + b"\0", "holds a zero byte"),
    "huge": (b"x" * ((1 << 20) + 1), "has more than 1,048,576 bytes, so it is none"),
}


@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("way", ["license_file", "URI", "variable", "home"])
def test_a_licence_file_that_is_none_is_told_in_a_sentence(tmp_path, how, way):
    """By each way that it is found: which file, what is wrong, and nothing of its content."""
    content, words = BAD[how]
    file = tmp_path / "home" / ".driverlessai" / "license.sig"
    file.parent.mkdir(parents=True)
    if way == "home":
        file.write_bytes(content)
    else:
        file = tmp_path / "other.sig"
        file.write_bytes(content)
    ask = {
        "license_file": lambda: read_license(None, str(file), refuse),
        "URI": lambda: read_license(None, f"s3a://b{file}", lambda uri: content),
        "variable": lambda: find_license({FILE: str(file)}),
        "home": lambda: find_license({}),
    }[way]
    with pytest.raises(LicenseError, match=words) as raised:
        ask()
    assert str(file) in raised.value.message
    assert "\n" not in raised.value.message
    assert TEXT[:16] not in str(raised.value)


def test_a_file_that_cannot_be_read_is_told_with_its_path(tmp_path):
    """Missing, a folder, a name that is none: the path stands in the sentence."""
    for name, words in [
        (str(tmp_path / "no.sig"), "No such file"),
        (str(tmp_path), "Is a directory"),
        ("", "cannot be read"),
        ("a\0b", "null byte"),
        ("~nobody-at-all/license.sig", "cannot be read|determine home"),
        (f"/data/{'0123456789abcdef' * 4}/license.sig", "No such file"),
    ]:
        with pytest.raises(LicenseError, match=words) as raised:
            read_license(None, name, refuse)
        assert name in raised.value.message or repr(name) in raised.value.message
    (tmp_path / "license.sig").mkdir()
    with pytest.raises(LicenseError, match=r"license.sig of DRIVERLESS.*Is a directory"):
        find_license({FILE: str(tmp_path / "license.sig")})


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbf%s", b"%s\n", b"\r\n%s\r\n", b"  %s  ", b"%s\n\n"],
    ids=["byte order mark", "newline", "Windows' newlines", "blanks", "two newlines"],
)
@pytest.mark.parametrize("text", [TEXT, LINES], ids=["one line", "lines"])
def test_the_same_licence_in_each_form_of_file(tmp_path, content, text):
    """By each way it is the same licence, so the same sidecar serves."""
    file = tmp_path / "license.sig"
    file.write_bytes(content % text.replace("\n", "\r\n").encode())
    expected = License(text)
    assert read_license(None, str(file), refuse) == expected
    assert read_license(None, "s3a://b/l.sig", lambda uri: file.read_bytes()) == expected
    assert read_license((content % text.encode()).decode(), None, refuse) == expected
    assert find_license({FILE: str(file)}) == expected
    assert find_license({KEY: text + "\n"}) == expected


@pytest.mark.parametrize("blank", ["", " ", "\n", "\r\n\t ", "\ufeff"])
def test_a_blank_licence_counts_as_none(tmp_path, blank):
    """In variables and found files it is passed over; where it is given it is refused."""
    empty = tmp_path / "empty.sig"
    empty.write_text(blank, encoding="utf-8")
    assert find_license({FILE: str(empty)}) is None
    assert find_license({FILE: str(empty), KEY: "a-licence"}) == License("a-licence")
    if blank != "\ufeff":
        assert find_license({FILE: blank, KEY: blank}) is None
    with pytest.raises(LicenseError, match="is empty"):
        read_license(None, str(empty), refuse)


def test_a_variable_that_names_no_file_is_passed_over(tmp_path):
    """It may name one of the executors; a home folder that there is not is none either."""
    assert find_license({FILE: str(tmp_path / "no.sig"), KEY: "key"}) == License("key")
    assert find_license({FILE: "a\0b"}) is None
    assert find_license({FILE: "x" * 5000}) is None


def test_no_home_folder_is_no_error(monkeypatch):
    """Neither HOME nor an entry in passwd, as users of containers have none."""
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert find_license({}) is None


def test_a_licence_that_no_environment_can_hold_is_told():
    """Bytes of a variable that are no text, a zero, another type."""
    with pytest.raises(LicenseError, match="DRIVERLESS_AI_LICENSE_KEY is not text"):
        find_license({KEY: "abc\udcff"})
    with pytest.raises(LicenseError, match="license= holds a zero byte"):
        read_license("abc\0", None, refuse)
    with pytest.raises(OptionError, match="not of type bytes"):
        read_license(b"abc", None, refuse)


@pytest.mark.parametrize(
    "text", [TEXT, LINES, TEXT.replace("/", "_"), "body." + "0123456789ab" * 5]
)
def test_the_text_given_for_a_path_is_not_shown(text):
    """``license_file=`` with the licence itself: the mistake is told and the licence is not."""
    with pytest.raises(LicenseError, match="what looks like the licence itself") as raised:
        read_license(None, text, refuse)
    assert text[-40:] not in str(raised.value)
    assert text[:40] not in str(raised.value)


def test_a_licence_among_the_variables_of_the_sidecar_is_refused():
    """They are its first environment, which others of the host can read."""
    with pytest.raises(OptionError, match="give license= or license_file=") as raised:
        ScoringOptions.resolve(None, {"env_vars": {KEY: TEXT}})
    assert TEXT not in str(raised.value)


# -- taken out of texts --------------------------------------------------------------------------


def leaks(text, secret):
    """Whether 16 characters of a secret in a row stand in a text."""
    return any(secret[i : i + 16] in text for i in range(len(secret) - 15))


@pytest.mark.parametrize("secret", [TEXT, LINES], ids=["one line", "lines"])
@pytest.mark.parametrize(
    "form",
    [
        str,
        repr,
        json.dumps,
        quote,
        lambda s: quote(s, ""),
        lambda s: repr({"key": [s]}),
        lambda s: json.dumps(json.dumps({"k": s})),
        lambda s: "\n".join(s[i : i + 40] for i in range(0, len(s), 40)),
        lambda s: s[100:],
        lambda s: s[:-100],
        lambda s: s.replace("\n", "\r\n"),
        lambda s: s.replace("\n", " "),
    ],
    ids=[
        "str",
        "repr",
        "json",
        "url",
        "url-all",
        "dict",
        "json-in-json",
        "folded",
        "end",
        "begin",
        "crlf",
        "joined",
    ],
)
def test_it_is_taken_out_in_each_form(secret, form):
    """And what stands before and behind it stays."""
    cleaned = Secret(secret).clean(f"before {form(secret)} behind")
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" behind")
    assert "***" in cleaned
    assert not leaks(cleaned, secret)


@pytest.mark.parametrize("secret", [None, "", "e", "no", "key", "example"])
def test_what_is_no_licence_garbles_nothing(secret):
    """A blank or very short text is looked for nowhere."""
    text = "the key of no example"
    assert Secret(secret).clean(text) == text


def test_a_short_licence_is_taken_out_as_a_word():
    """Where it is part of another word it is another word."""
    assert Secret("password").clean("password, passwords") == "***, passwords"


@pytest.mark.parametrize("size", [1, 3, 7, 64, 4096])
def test_a_stream_is_clean_wherever_it_is_cut(size):
    """Each byte that is not the licence comes out, in order, whatever it is."""
    noise = bytes(range(256)) * 3
    raw = noise + TEXT.encode() + b"\n" + TEXT[:200].encode() + noise + TEXT.encode() + noise
    stream = CleanStream(Secret(TEXT))
    out = b"".join(stream.take(raw[i : i + size]) for i in range(0, len(raw), size)) + stream.rest()
    assert out == noise + b"***\n***" + noise + b"***" + noise


@pytest.mark.parametrize("n_before", range(0, 4200, 300))
def test_a_log_is_cleaned_before_its_tail_is_cut(tmp_path, n_before):
    """The tail of a log begins within the licence: no part of it is shown."""
    log = tmp_path / "log"
    log.write_text(f"a line\n{TEXT}\n{'x' * n_before}\n", encoding="utf-8")
    tail = SidecarHandle(tmp_path, log, "key", License(TEXT)).log_tail()
    assert not any(TEXT[i : i + 8] in tail for i in range(len(TEXT) - 7))


# -- URIs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("s3a://key:secret@bucket/a.zip", "s3a://***@bucket/a.zip"),
        ("s3a://key:sec/ret@bucket/a.zip", "s3a://***@bucket/a.zip"),
        ("https://token@host/a.zip", "https://***@host/a.zip"),
        ("abfss://container@account.dfs.core.windows.net/a", None),
        ("hdfs://name:8020/a.zip", None),
        ("jdbc:postgresql://h/db?user=u&password=p", "jdbc:postgresql://h/db?user=u&password=***"),
        ("jdbc:sqlserver://h;user=u;password=p;x=1", "jdbc:sqlserver://h;user=u;password=***;x=1"),
        ("https://a.b/c?sv=1&sig=abc%3D&se=2", "https://a.b/c?sv=1&sig=***&se=2"),
        ("https://b/c?X-Amz-Signature=abc&X=1", "https://b/c?X-Amz-Signature=***&X=1"),
        ("/plain/path", None),
    ],
)
def test_a_password_in_a_uri_is_not_shown(uri, shown):
    """User information and signed URLs; what is none stays as it is."""
    assert without_password(uri) == (uri if shown is None else shown)


def test_an_error_over_a_uri_shows_no_password():
    """Neither in the sentence nor in what Hadoop says."""
    from dai_spark.driver.filesystem.file_errors import as_ours

    with (
        pytest.raises(ShippingError) as raised,
        as_ours("s3a://key:secret@bucket/a", "read", None),
    ):
        raise RuntimeError("java.io.IOException: no s3a://key:secret@bucket/a today")
    assert "secret" not in str(raised.value) + raised.value.details
    assert "s3a://***@bucket/a" in raised.value.message
