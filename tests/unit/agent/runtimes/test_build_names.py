"""Names of images in a Dockerfile, rewritten for this machine's engine."""

import pytest

from draas.agent.runtimes.build.dockerfile_names import Rewritten, rewrite_names
from draas.model.errors import Invalid

HOST = "127.0.0.1:41999"
DIGEST = "sha256:" + "a" * 64


def rewrite(text: str, **args: str) -> Rewritten:
    return rewrite_names(text, project="p", host=HOST, args=args)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM draas.internal/p/base\n", f"FROM {HOST}/p/base\n"),
        ("from draas.internal/p/base:1 AS b\r\nRUN x\r\n", f"from {HOST}/p/base:1 AS b\r\nRUN x\r\n"),
        (f"FROM --platform=linux/amd64 draas.internal/p/a/b@{DIGEST}", f"FROM --platform=linux/amd64 {HOST}/p/a/b@{DIGEST}"),
        ("FROM x\nCOPY --chown=1 --from=draas.internal/p/b /a /b\n", f"FROM x\nCOPY --chown=1 --from={HOST}/p/b /a /b\n"),
        (
            "FROM x\nRUN --mount=type=bind,from=draas.internal/p/b,target=/b ls\n",
            f"FROM x\nRUN --mount=type=bind,from={HOST}/p/b,target=/b ls\n",
        ),
        ("FROM \\\n  draas.internal/p/b\n", f"FROM \\\n  {HOST}/p/b\n"),
        ("# escape=`\nFROM `\n draas.internal/p/b\n", f"# escape=`\nFROM `\n {HOST}/p/b\n"),
        ("FROM \\\n# a comment\n draas.internal/p/b\n", f"FROM \\\n# a comment\n {HOST}/p/b\n"),
        ("ARG B=draas.internal/p/b\nFROM $B\n", f"ARG B=draas.internal/p/b\nFROM {HOST}/p/b\n"),
        ("ARG T=1\nFROM draas.internal/p/b:${T}\n", f"ARG T=1\nFROM {HOST}/p/b:1\n"),
        ("FROM draas.internal/p/b:${T:-2}\n", f"FROM {HOST}/p/b:2\n"),
        ('FROM "draas.internal/p/b"\n', f"FROM {HOST}/p/b\n"),
        ("FROM x\nONBUILD COPY --from=draas.internal/p/b /a /\n", f"FROM x\nONBUILD COPY --from={HOST}/p/b /a /\n"),
        # what names no image stays
        ("FROM x\nRUN echo FROM draas.internal/p/b\n", None),
        ("FROM x\nENV A=draas.internal/p/b\nLABEL x=draas.internal/q/b\n", None),
        ("FROM x\nCOPY draas.internal/p/b /\n", None),
        ("FROM x\nRUN cat <<EOF >f\nCOPY --from=draas.internal/p/b /a /\nEOF\n", None),
        ("FROM x\nRUN curl --from=draas.internal/q/b\n", None),
        ("FROM python:3-slim AS one\nCOPY --from=one /a /b\nCOPY --from=0 /a /b\nFROM $UNKNOWN\nFROM scratch\n", None),
        ("# syntax=docker/dockerfile:1.7\nFROM x\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_only_images_are_renamed(text: str, expected: str | None) -> None:
    assert rewrite(text).text == (text if expected is None else expected)


def test_what_is_built_upon_is_told_once() -> None:
    text = "FROM draas.internal/p/b:1\nFROM draas.internal/p/b:1\nCOPY --from=draas.internal/p/c /a /\n"
    assert rewrite(text).images == (f"{HOST}/p/b:1", f"{HOST}/p/c")


def test_a_builds_argument_wins() -> None:
    assert rewrite("ARG B=x\nFROM ${B}\n", B="draas.internal/p/b").images == (f"{HOST}/p/b",)


@pytest.mark.parametrize(
    "text",
    [
        "FROM draas.internal/q/b\n",
        f"FROM {HOST}/q/b\n",
        f"ARG B={HOST}\nFROM $B/q/b\n",
        "ARG A=draas.inter\nARG B=${A}nal\nFROM ${B}/q/b\n",
        f"FROM 12''7.0.0.1:{HOST[-5:]}/q/b\n",
        f"FROM 12\\7.0.0.1:{HOST[-5:]}/q/b\n",
        "FROM draas.in\\\nternal/q/b\n",
        f"FROM x\nCOPY --from={HOST}/q/b /a /\n",
        f"FROM x\nRUN --mount=type=bind,from={HOST}/q/b,target=/x ls\n",
        f'FROM x\nRUN --mount=type=bind,"from={HOST}/q/b",target=/x ls\n',
        f"FROM x\nONBUILD COPY --from={HOST}/q/b /a /\n",
        f"FROM x\nRUN cat <<EOF\nFROM {HOST}/q/b\nEOF\n",
        f"FROM x\nRUN a \\\\\nFROM {HOST}/q/b\n",
        f'FROM x\nCOPY --chown="a b" --from={HOST}/q/b /a /\n',
        "FROM draas.internal/pq/b\n",
        "FROM draas.internal/b\n",
    ],
)
def test_images_of_others_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is no image of the project p"):
        rewrite(text)


@pytest.mark.parametrize("text", ["FROM ${B#x}\n", "FROM x\nCOPY --from=$B /a /\n", "ARG B=${C%x}\nFROM $B/q\n"])
def test_images_that_cannot_be_told_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="does not say which image it is"):
        rewrite(text)


@pytest.mark.parametrize(
    "text",
    ["# syntax=evil/frontend\nFROM x\n", "\ufeff# syntax = 127.0.0.1:5000/x\nFROM x\n", "# escape=`\n#syntax=a/b\nFROM x\n",
     "// syntax=a/b\n", "#!/x\n# syntax=a/b\n", "# a comment\n# syntax=docker/dockerfile-evil\n"],
)  # fmt: skip
def test_programs_that_read_dockerfiles_are_dockers(text: str) -> None:
    with pytest.raises(Invalid, match="use docker/dockerfile:1"):
        rewrite(text)


def test_the_same_as_an_argument_or_as_json() -> None:
    with pytest.raises(Invalid, match="syntax is 'evil/x'"):
        rewrite("FROM x\n", BUILDKIT_SYNTAX="evil/x")
    with pytest.raises(Invalid, match=r"begins with \{"):
        rewrite('{"syntax": "evil/x"}')
