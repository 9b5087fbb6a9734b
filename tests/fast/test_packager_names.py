"""Names of images: templates, and the grammar of the OCI's distribution specification."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pydantic")

from dai_spark.errors import OptionError
from dai_spark.packager.image_name import image_name, template_values

# As the specification writes them.
REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VALUES = {"Name": "wine", "Version": "0.1", "RandomUUID": "ec1bf1cd-216d-4f0a-a62f-bf084c79c58c"}


def named(template, values=VALUES, place=""):
    """The name's text, and what was said."""
    said = []
    return image_name(template, values, place, said.append).text, said


def test_the_seeds_own_names():
    """Odahu's default and its examples; nothing is said where nothing is replaced."""
    place = "gcr.io/project/odahuflow"
    uuid = VALUES["RandomUUID"]
    for template, told in {
        "{{ Name }}-{{ Version }}:{{ RandomUUID }}": f"wine-0.1:{uuid}",
        "wine-test:prefix-{{ RandomUUID }}": f"wine-test:prefix-{uuid}",
        "myservice:123": "myservice:123",
        "{{Name}}:{{   Version}}": "wine:0.1",
    }.items():
        assert named(template, place=place) == (f"{place}/{told}", [])
    assert named("wine") == ("localhost/wine:latest", [])


def test_a_uuid_is_new_each_time():
    """So that a name is another one each time."""
    found = [template_values("a", "b")["RandomUUID"] for _ in range(2)]
    assert found[0] != found[1]
    assert all(re.fullmatch(UUID, one) for one in found)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("Wine:V1", "wine:V1"),
        ("weiß wein über:größe", "weiss-wein-uber:grosse"),
        ("a--b__c.d:1", "a--b__c.d:1"),
        ("--a--:.-x", "a:x"),
        ("a._b___c:1", "a-b-c:1"),
        ("a b/c  d:1 2", "a-b/c-d:1-2"),
        ("Ærø Œuvre:1", "aero-oeuvre:1"),
        ("$HOME;rm:`x`", "home-rm:x-"),
    ],
)
def test_what_a_name_may_not_have_is_replaced(template, told):
    """And said, if anything was."""
    text, said = named(template)
    assert text == f"localhost/{told}"
    assert bool(said) == (template != told)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ Nam }}:1", "did you mean Name?"),
        ("{{ RandomUuid }}", "did you mean RandomUUID?"),
        ("{{ Colour }}:1", "there are Name, Version, RandomUUID"),
        ("{{ Name:1", "do not close"),
        ("a@sha256:0123", "names a digest"),
        ("a:", "ends in a colon"),
        ("酒:1", "nothing is left"),
        ("a//", "localhost/a"),
        ("wine:...", "nothing is left that a tag"),
        ("", "nothing is left"),
    ],
)
def test_names_that_cannot_be_meant(template, why):
    """One sentence; empty components are passed over."""
    if why.startswith("localhost"):
        assert named(template)[0].startswith(why)
        return
    with pytest.raises(OptionError, match=re.escape(why)):
        named(template)


@pytest.mark.parametrize(
    ("template", "place", "told"),
    [
        ("registry.example.com:5000/a/wine:1", "", "registry.example.com:5000/a/wine:1"),
        ("localhost:5000/wine", "", "localhost:5000/wine:latest"),
        ("gcr.io/wine:1", "", "gcr.io/wine:1"),
        ("team/wine:1", "", "localhost/team/wine:1"),
        ("wine:1", "127.0.0.1:5000", "127.0.0.1:5000/wine:1"),
        ("wine:1", "[::1]:5000/x", "[::1]:5000/x/wine:1"),
    ],
)
def test_a_registry_is_told_from_a_folder(template, place, told):
    """By a dot, a port or localhost, as engines do."""
    assert named(template, place=place)[0] == told


def test_a_place_that_is_no_registry():
    """A word alone is no host."""
    with pytest.raises(OptionError, match="names no registry"):
        named("wine:1", place="odahuflow")


def test_a_values_own_signs_separate_nothing():
    """A model's name with a slash or a colon is one component, and no registry."""
    values = {**VALUES, "Name": "evil.example.com/x:1@y", "Version": "a:b/c"}
    assert named("{{ Name }}-{{ Version }}:{{ Version }}", values)[0] == (
        "localhost/evil.example.com-x-1-y-a-b-c:a-b-c"
    )


def test_what_is_too_long_is_cut_and_stays_its_own():
    """A tag has 128 characters, a name 255 with its registry; what was cut off still counts."""
    tags = {named(f"a:{'x' * 200}{end}")[0] for end in "12"}
    assert len(tags) == 2
    assert all(len(tag.partition(":")[2]) == 128 for tag in tags)
    names = {named(f"{'y' * 300}{end}:1", place="gcr.io/p")[0] for end in "12"}
    assert len(names) == 2
    assert all(len(name.rpartition(":")[0]) == 255 for name in names)


@given(
    st.text(max_size=300), st.text(max_size=300), st.sampled_from(("", "gcr.io/p", "[::1]:5000"))
)
def test_any_model_gets_a_name_that_registries_take(name, version, place):
    """Or a sentence says that nothing is left of it; the same model gets the same name."""
    values = template_values(name, version)
    for template in ("{{ Name }}-{{ Version }}:{{ RandomUUID }}", "{{Name}}/x:{{Version}}"):
        try:
            found = image_name(template, values, place, lambda text: None)
        except OptionError as error:
            assert "nothing is left" in error.message
            continue
        assert REPOSITORY.fullmatch(found.repository)
        assert TAG.fullmatch(found.tag)
        assert len(f"{found.registry}/{found.repository}") <= 255
        assert found.registry == (place or "localhost").partition("/")[0]
        assert found == image_name(template, values, place, lambda text: None)


@given(st.text(max_size=60))
def test_any_template_is_a_name_or_refused(template):
    """Never anything else."""
    try:
        found = image_name(template, VALUES, "", lambda text: None)
    except OptionError:
        return
    assert REPOSITORY.fullmatch(found.repository)
    assert TAG.fullmatch(found.tag)
